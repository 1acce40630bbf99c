"""A deploy target of your own: here a folder of definitions, as a repository that something else rolls out.

A package registers its target for every process by the entry-point group `vitesse.deployers`; a
script does it for itself.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from _world import new_thread, shop_and_crm

from vitesse_graph import Deployer, DeployerFactory, open_graph
from vitesse_graph.errors import NotFoundError
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan

FOLDER = Path(tempfile.gettempdir()) / "vitesse-example-definitions"


class FolderDeployer(Deployer):
    """Writes each definition to a file. It names secrets, never holds one."""

    target = "folder"

    def _file(self, integration_id: str) -> Path:
        return FOLDER / f"{integration_id}.json"

    def _deployment(self, definition: IntegrationDefinition) -> Deployment:
        file = self._file(definition.integration_id)
        return Deployment(
            target=self.target,
            workload_id=definition.integration_id,
            service_url=file.as_uri(),
            version=definition.version,
            definition_digest=definition.digest(),
            environments={"source": definition.source.environment, "dest": definition.dest.environment},
        )

    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        return DeploymentPlan(
            target=self.target, actions=[f"write {self._file(definition.integration_id).name}"]
        )

    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        FOLDER.mkdir(exist_ok=True)
        text = json.dumps(definition.dump(), indent=2, sort_keys=True)
        await asyncio.to_thread(self._file(definition.integration_id).write_text, text)
        return self._deployment(definition)

    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        await self.get_status(definition.integration_id)
        return await self.deploy(definition, config)

    async def destroy(self, integration_id: str) -> Deployment:
        await asyncio.to_thread(self._file(integration_id).unlink, missing_ok=True)
        return Deployment(target=self.target, workload_id=integration_id, service_url="", status="stopped")

    async def get_status(self, integration_id: str) -> Deployment:
        if not self._file(integration_id).exists():
            raise NotFoundError(f"{integration_id} is not in the folder")
        text = await asyncio.to_thread(self._file(integration_id).read_text)
        return self._deployment(IntegrationDefinition.model_validate_json(text))

    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        await self.get_status(integration_id)
        return "a file keeps no log"


async def main() -> None:
    DeployerFactory.register("folder", FolderDeployer)
    config = new_thread()
    async with shop_and_crm() as (request, _), open_graph() as graph:
        result = await graph.ainvoke(
            {**request, "deployment_target": "folder"}, config, context={"approvals": "none"}
        )
        print(
            f"{result['status']}: {result['deployment']['target']} version {result['deployment']['version']}"
        )
        deployer = DeployerFactory.create_deployer("folder")
        kept = await deployer.get_status(config["configurable"]["thread_id"])
        print(
            f"kept as it was deployed: {kept.definition_digest == result['deployment']['definition_digest']}"
        )
        await deployer.destroy(config["configurable"]["thread_id"])


if __name__ == "__main__":
    asyncio.run(main())
