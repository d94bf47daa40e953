"""`fxd live`: what it lists."""

import json
from dataclasses import asdict

from fxd.config import Settings
from fxd.insight.live_sessions import live_json
from fxd.live.device import list_devices
from fxd.store.store import open_store


def tell_devices(as_json: bool) -> int:
    """Print the devices that PortAudio sees."""
    devices = list_devices()
    if as_json:
        print(json.dumps([asdict(device) for device in devices], indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("no.", "device", "interface", "inputs", "outputs", "Hz", box=None, pad_edge=False)
    for device in devices:
        name = device.name + (" *" if device.is_default_input or device.is_default_output else "")
        counts = (str(count) for count in (device.inputs, device.outputs, device.sample_rate))
        table.add_row(str(device.index), Text(name), Text(device.api), *counts)
    console = Console(emoji=False)
    console.print(table)
    console.print("* is used where none is named" if devices else "There is none.", style="dim")
    return 0


def tell_sessions(settings: Settings, last: int, as_json: bool) -> int:
    """Print the sessions that were played, newest first."""
    with open_store(settings.database_url) as store:
        sessions = store.live_sessions(last)
    if as_json:
        print(json.dumps([live_json(session) for session in sessions], indent=2, allow_nan=False))
        return 0
    if not sessions:
        print("Nobody has played yet: `fxd live` does.")
        return 0
    from rich.console import Console

    from fxd.insight.live_sessions import live_table

    Console(emoji=False).print(live_table(sessions))
    return 0
