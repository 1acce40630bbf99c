"""The "restricted" Pod Security standard as the documentation of Kubernetes lists it, control by control."""

from __future__ import annotations

from typing import Any

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"}


def violations(pod: dict[str, Any]) -> list[str]:
    """What a pod's spec does that "restricted" (and "baseline" in it) forbids; empty when it may run."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    outer = pod.get("securityContext") or {}
    for volume in pod.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            found.append(f"volume {volume['name']}: {kinds}")
    if any(item["name"] not in _SYSCTLS for item in outer.get("sysctls") or []):
        found.append("sysctls")
    for container in [*pod["containers"], *(pod.get("initContainers") or [])]:
        inner = container.get("securityContext") or {}
        found += [f"{container['name']}: {what}" for what in _of_container(container, inner, outer)]
    return found


def _of_container(container: dict[str, Any], inner: dict[str, Any], outer: dict[str, Any]) -> list[str]:
    def either(name: str) -> Any:
        return inner.get(name, outer.get(name))

    capabilities = inner.get("capabilities") or {}
    checks = {
        "privileged": inner.get("privileged", False) is False,
        "allowPrivilegeEscalation": inner.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot": either("runAsNonRoot") is True,
        "runAsUser": either("runAsUser") != 0,
        "capabilities.drop": "ALL" in (capabilities.get("drop") or []),
        "capabilities.add": set(capabilities.get("add") or []) <= {"NET_BIND_SERVICE"},
        "seccompProfile": (either("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost"),
        "procMount": inner.get("procMount", "Default") == "Default",
        "hostPort": not any(port.get("hostPort") for port in container.get("ports") or []),
    }
    return [name for name, is_kept in checks.items() if not is_kept]
