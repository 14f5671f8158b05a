"""Readings of this machine; what cannot be read is None ("unknown"), never an error."""

import logging
import math
import os
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

logger = logging.getLogger("assay.sampler")


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one moment."""

    index: int
    name: str
    busy_percent: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_c: float | None
    power_w: float | None


def read_host(data_dir: Path) -> dict[str, Any]:
    """Return the machine's figures; percentages are of the whole machine since the last call."""
    memory = psutil.virtual_memory()
    return {
        "cpu_percent": clean(psutil.cpu_percent(interval=None)),
        "load_1": clean(os.getloadavg()[0]),
        "memory_used_bytes": memory.total - memory.available,
        "memory_total_bytes": memory.total,
        **_read_disk(data_dir),
    }


def _read_disk(data_dir: Path) -> dict[str, int | None]:
    try:
        disk = psutil.disk_usage(str(data_dir))
    except OSError:
        return {"disk_used_bytes": None, "disk_total_bytes": None}
    return {"disk_used_bytes": disk.used, "disk_total_bytes": disk.total}


class OwnProcesses:
    """Reads the supervisor's family; keeps the processes between calls for their CPU use."""

    def __init__(self, root_pid: int) -> None:
        self._root_pid = root_pid
        self._known: dict[int, psutil.Process] = {}

    def read(self) -> dict[str, Any]:
        """Return number, resident memory and CPU of all our processes (100 % = one core)."""
        try:
            root = psutil.Process(self._root_pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            return {"own_processes": None, "own_rss_bytes": None, "own_cpu_percent": None}
        self._known = {one.pid: self._known.get(one.pid, one) for one in family}
        count, rss_bytes, cpu_percent = 0, 0, 0.0
        for process in self._known.values():
            try:
                rss_bytes += process.memory_info().rss
                cpu_percent += process.cpu_percent(interval=None)
                count += 1
            except psutil.Error:
                logger.debug("process %s ended while it was read", process.pid)
        return {
            "own_processes": count,
            "own_rss_bytes": rss_bytes,
            "own_cpu_percent": clean(cpu_percent),
        }


def clean(value: float | None) -> float | None:
    """Return a finite number, or None: a sensor that says NaN knows nothing."""
    return value if value is not None and math.isfinite(value) else None


@lru_cache(maxsize=1)
def _nvml() -> ModuleType | None:
    """Return the NVIDIA library, loaded only where a driver is present."""
    if not Path("/proc/driver/nvidia/version").exists() and not Path("/dev/nvidiactl").exists():
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        logger.info("GPU figures are unknown: %s", error)
        return None
    library: ModuleType = pynvml
    return library


def read_gpus() -> list[dict[str, Any]]:
    """Return one reading per GPU; an empty list where there is none."""
    nvml = _nvml()
    if nvml is None:
        return []
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        logger.warning("GPU figures are unknown: %s", error)
        _nvml.cache_clear()
        return []
    return [asdict(_read_gpu(nvml, index)) for index in range(count)]


def _read_gpu(nvml: ModuleType, index: int) -> GpuReading:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def ask(name: str, *args: Any) -> Any:
        try:
            return getattr(nvml, name)(handle, *args)
        except nvml.NVMLError:
            return None

    load = ask("nvmlDeviceGetUtilizationRates")
    memory = ask("nvmlDeviceGetMemoryInfo")
    power_mw = ask("nvmlDeviceGetPowerUsage")
    temperature_c = ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU)
    return GpuReading(
        index=index,
        name=str(ask("nvmlDeviceGetName") or f"GPU {index}"),
        busy_percent=None if load is None else clean(float(load.gpu)),
        memory_used_bytes=None if memory is None else int(memory.used),
        memory_total_bytes=None if memory is None else int(memory.total),
        temperature_c=None if temperature_c is None else clean(float(temperature_c)),
        power_w=None if power_mw is None else clean(power_mw / 1000),
    )
