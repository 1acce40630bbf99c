"""The Kubernetes objects of an integration as YAML for a repository: everything but the secrets' values."""

from __future__ import annotations

from vitesse_graph.deployers.manifests import build_objects, external_secret, namespace_object
from vitesse_graph.deployers.workload import Workload, file_key


def kept_secret_name(workload: Workload) -> str:
    """The Secret that the manifests refer to: the same for all versions, since people fill it."""
    return f"{workload.name}-secrets"


def render_manifests(workload: Workload, *, secret_store: str | None = None) -> str:
    """YAML documents in the order in which they are applied; the same workload gives the same text.

    The Secret is no part of it: how to make it stands in the comment, or an ExternalSecret fills it from
    the ClusterSecretStore that is named.
    """
    import yaml

    name = kept_secret_name(workload)
    objects = [namespace_object(workload)]
    if workload.has_secret and secret_store:
        objects.append(external_secret(workload, name, secret_store))
    objects += build_objects(workload, secret_name=name)
    text = yaml.safe_dump_all(objects, explicit_start=True, sort_keys=False, allow_unicode=True, width=1000)
    return "".join(f"# {line}".rstrip() + "\n" for line in _notes(workload, name, secret_store)) + text


def _notes(workload: Workload, name: str, secret_store: str | None) -> list[str]:
    definition = workload.definition
    found = [f"{workload.name}, version {definition.version}, made by Vitesse; the file holds no secret."]
    if not workload.has_secret:
        return found
    keys = [*workload.secret_names, *map(file_key, workload.secret_files)]
    if secret_store:
        return [
            *found,
            f"The ExternalSecret fills the Secret {name} from vitesse/{workload.name} in {secret_store}, with",
            f"these properties: {', '.join(keys)}.",
        ]
    files = "".join(f" --from-file={file_key(path)}=FILE" for path in workload.secret_files)
    return [
        *found,
        f"Before it is applied, make the Secret {name} with the keys {', '.join(keys)}, for example from a",
        "file of NAME=value lines that is not kept in the repository:",
        f"  kubectl -n {workload.namespace} create secret generic {name} --from-env-file=secrets.env{files}",
        "DATABASE_URL should name a role that sees this integration's rows only: `vitesse deploy` would make it.",
    ]
