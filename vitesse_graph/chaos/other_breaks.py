"""What else happens: places that move, credentials, limits, outages, and values that are wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable

from vitesse_graph.chaos.breaks import (
    Injected,
    NotHere,
    a_row,
    fed_by,
    get_value,
    plain,
    publish,
    put_value,
    wire,
)
from vitesse_graph.chaos.world import World
from vitesse_graph.healing.drifting import Change
from vitesse_graph.healing.impact import Side
from vitesse_graph.specs import SpecDocument

# -- places ------------------------------------------------------------------------------------------


def source_moved(world: World) -> Injected:
    _, _, path = world.pair.source_key.partition(" ")
    new = f"/next{path}"
    publish(world, Change(kind="move", side="source", to=new))
    wire(world, "source", f"drift=moved:{path}:{new}")
    return Injected(is_announced=True)


def dest_moved(world: World) -> Injected:
    _, _, path = world.pair.dest_key.partition(" ")
    new = f"/next{path}"
    publish(world, Change(kind="move", side="dest", to=new))
    world.dest_key = world.pair.dest_key.replace(path, new)
    return Injected(is_announced=True)


def source_host_changed(world: World) -> Injected:
    """The old host is gone; the document names the new one."""
    old, raw = world.documents["source"], copy.deepcopy(world.documents["source"].raw)
    raw["servers"] = [{"url": world.urls["source"]}]
    world.documents["source"] = SpecDocument(
        raw, spec_format=old.spec_format, spec_url=old.spec_url, digest="hosted"
    )
    world.base_urls["source"] = "http://127.0.0.1:9"
    return Injected(is_announced=True)


# -- credentials, limits, outages --------------------------------------------------------------------


def expired(side: Side) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        front = world.fronts[side]
        front.good_credential, front.refusal = "second-credential", "the token expired"
        return Injected(lift=lambda w: w.credential(side, "second-credential"))

    return inject


def revoked(side: Side) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        front = world.fronts[side]
        front.good_credential, front.refusal = "nobody-has-this", "this token was revoked"
        return Injected()

    return inject


def forbidden(world: World) -> Injected:
    wire(world, "dest", "403=1")
    return Injected()


def limited(world: World) -> Injected:
    wire(world, "dest", "429=0.6:0.1")
    return Injected(lift=lambda w: wire(w, "dest", ""))


def down(side: Side, kind: str) -> Callable[[World], Injected]:
    def inject(world: World) -> Injected:
        wire(world, side, f"{kind}=1")
        return Injected(lift=lambda w: wire(w, side, ""))

    return inject


def slow(world: World) -> Injected:
    wire(world, "source", "slow=1:2.1")
    return Injected(lift=lambda w: wire(w, "source", ""))


# -- values ------------------------------------------------------------------------------------------


def wrong_values(world: World) -> Injected:
    """Every record has the first one's value: each is valid, together they are nonsense."""
    row = a_row(world, required=False)
    path = str(plain(row)).split(".")
    records = copy.deepcopy(world.good_records())
    value = next((v for v in (get_value(record, path) for record in records) if v), None)
    if value is None:
        raise NotHere
    for record in records:
        put_value(record, path, value)
    world.publish("source", world.pair.source, seed=2, seed_records={world.pair.source_key: records})
    return Injected(excused=fed_by(world, ".".join(path)))
