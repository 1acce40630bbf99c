"""Commands on what the factory knows: find APIs, read specifications into the store, ask for advice."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from vitesse_graph.cli.output import console, counted, json_option, print_json, print_table
from vitesse_graph.cli.session import run_async
from vitesse_graph.errors import UpstreamError
from vitesse_graph.settings import get_settings


@click.command()
@click.argument("query")
@click.option("--limit", default=5, show_default=True)
@json_option
def discover(query: str, limit: int, as_json: bool) -> None:
    """Find APIs by name or by need."""

    async def work() -> Any:
        from vitesse_graph.knowledge import discover_widely, get_knowledge_db
        from vitesse_graph.nodes.public_directory import public_directory

        settings = get_settings()
        knowledge = get_knowledge_db(settings, allow_download=False)
        async with knowledge.session():
            return await discover_widely(
                query, knowledge=knowledge, directory=public_directory(settings), limit=limit
            )

    found = run_async(work())
    if as_json:
        print_json([result.dump() for result in found])
        return
    if not found:
        click.echo(f"nothing known fits '{query}'; give the API's specification as a URL or file")
        return
    print_table(
        f"{len(found)} found",
        ["API", "sure", "specification", "why"],
        [[r.api_name, f"{r.confidence_score:.2f}", r.spec_url or "(none known)", r.why] for r in found],
    )


@click.command()
@click.argument("source", required=False)
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False), help="Read every specification in it."
)
@click.option(
    "--type",
    "harvest_type",
    type=click.Choice(["full", "financial", "incremental"]),
    default="incremental",
    show_default=True,
    help="Which of the catalogue's published specifications: all, those of finance, or what has changed.",
)
@click.option("--resume", "job_id", help="Go on with a job that was cut off.")
@json_option
def harvest(
    source: str | None, folder: str | None, harvest_type: str, job_id: str | None, as_json: bool
) -> int:
    """Read specifications into the knowledge store: SOURCE (URL, file or name), a folder, or the catalogue."""

    async def work() -> Any:
        from vitesse_graph.knowledge import HarvestJobs, KnowledgeHarvester, get_knowledge_db
        from vitesse_graph.services import open_services

        settings = get_settings()
        knowledge = get_knowledge_db(settings)
        async with open_services(settings) as services, knowledge.session():
            jobs = HarvestJobs(services.database_url)
            await jobs.setup()
            with counted("built-in facts:") as on_count:
                await knowledge.seed_all(progress=on_count)
            harvester = KnowledgeHarvester(knowledge, jobs, services.load_document)
            if job_id is None:
                job = await harvester.start(
                    "source" if source else harvest_type,  # type: ignore[arg-type]
                    source=source,
                    folder=Path(folder) if folder else None,
                )
                if not as_json:
                    click.echo(
                        f"job {job.id}: {job.total} specifications (--resume {job.id} goes on with it)"
                    )
            with counted("reading") as on_count:
                return await harvester.resume(
                    job_id or job.id, progress=lambda item, done, of: on_count(item.name, done, of)
                )

    job = run_async(work())
    if as_json:
        print_json(job.dump())
    else:
        console.print(
            f"{job.done - job.failed} of {job.total} read, {job.documents} documents written, {job.failed} could not be read",
            markup=False,
        )
        if job.failures:
            print_table("not read", ["what", "why"], [[one.name, one.error] for one in job.failures])
    return 1 if job.total and job.failed == job.total else 0


@click.command()
@click.argument("source")
@click.argument("dest")
@click.option("--region", help="Country or area whose rules apply, such as Germany, EU or UK.")
@click.option("--intent", default="", help="What the integration is for.")
@json_option
def advise(source: str, dest: str, region: str | None, intent: str, as_json: bool) -> None:
    """What is known of joining two APIs: advice, conversions and, with --region, the rules; all cited."""

    async def work() -> tuple[Any, list[Any]]:
        from vitesse_graph.knowledge import (
            check_regulatory_compliance,
            get_integration_guidance,
            get_knowledge_db,
        )

        knowledge = get_knowledge_db(get_settings(), allow_download=False)
        async with knowledge.session():
            with suppress(UpstreamError):  # away: the built-in facts answer by themselves
                await knowledge.seed_all(only=("domain_knowledge", "mapping_patterns"))
            guidance = await get_integration_guidance(source, dest, knowledge=knowledge, intent=intent)
        rules = [check_regulatory_compliance(api, region) for api in (source, dest)] if region else []
        return guidance, rules

    guidance, rules = run_async(work())
    if as_json:
        print_json({"guidance": guidance.dump(), "compliance": [report.dump() for report in rules]})
        return
    print_table("advice", ["for", "what", "why"], [[a.fit, a.title, a.text] for a in guidance.advice])
    print_table("conversions", ["what", "how"], [[p.title, p.text] for p in guidance.patterns])
    for report in rules:
        print_table(
            f"rules that touch {report.api} in {report.region}",
            ["rule", "why", "what to do"],
            [[r.title, r.why, "; ".join(r.obligations)] for r in report.findings],
        )
    for line in [*guidance.unknown, *(line for report in rules for line in report.unknown)]:
        console.print(f"not known: {line}", markup=False)
    cited = {c.key: c for part in [guidance, *rules] for c in part.citations}
    print_table("sources", ["what", "where", "as of"], [[c.title, c.source, c.as_of] for c in cited.values()])
