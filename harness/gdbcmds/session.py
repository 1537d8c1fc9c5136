# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs inside GDB's own Python: the steps of a debug session up to its first prompt.

Input: the environment variable HERMIT_SESSION, a JSON object:
  settings   commands before the connection
  remote     argument of `target remote`
  symbols    symbol file of the application
  low        its lowest linked address; null: it is not relocated
  entry      its linked entry point
  start      the image's address; null: from the loader
  size       the image's size in bytes
  hand_over  the loader's last function; "": unknown loader
  argument   the register with that function's argument, which has the image's address
  trampoline symbol file, its linked address, and the expression for its run-time address ({h} is the argument), or null
  stop       entry, loader or here
  breaks     locations of hardware breakpoints
  commands   commands at the first prompt
  hermit     script with further commands, or ""
  batch      end after the commands
  faults     stop at a fault of the application; "few" if the machine has only four hardware breakpoints, "" for never
  kill       the machine ends with GDB
HERMIT_GDB holds the settings of the script `hermit`; this module adds the image's address.

GDB's exit status: 1 if a command of a batch failed, 3 if the machine ended before the application (in a batch also if
it stopped elsewhere), 4 if a location does not exist. Imports nothing of the harness.
"""

import json
import os
import re
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import gdb
from gdb.FrameDecorator import FrameDecorator
from hermit_gdb import fault, guest, unwind

COMMAND_FAILED, NOT_REACHED, WRONG_LOCATION = 1, 3, 4


class MachineEndedError(Exception):
    """The machine is gone."""


class UnexpectedStopError(Exception):
    """The guest stopped elsewhere: after an interrupt or a fault."""


class LocationError(Exception):
    """There is no such place for a breakpoint."""


def report(text):
    gdb.write(f"hermit: {text}\n")
    gdb.flush()


def execute_quietly(command):
    return gdb.execute(command, to_string=True)


def quote(file):
    return json.dumps(file, ensure_ascii=False)


def address(expression):
    return int(gdb.parse_and_eval(f"(unsigned long)({expression})"))


def continue_to_stop():
    """Let the machine run until it stops; without what GDB says of the stop."""
    try:
        execute_quietly("continue")
    except gdb.error as error:  # the connection is closed
        raise MachineEndedError("the machine has ended") from error
    if not gdb.selected_inferior().threads():
        raise MachineEndedError("the machine has ended")


def hardware_breakpoint(location, internal=False):
    """A breakpoint that is no instruction in memory: what is still to be loaded would overwrite it. An internal one is
    ours, and GDB says nothing of it."""
    point = gdb.Breakpoint(location, gdb.BP_HARDWARE_BREAKPOINT, internal=internal, temporary=internal)
    point.silent = internal
    return point


def run_to(pc):
    """Run to an address."""
    point = hardware_breakpoint(f"*{pc:#x}", internal=True)
    try:
        continue_to_stop()
    finally:
        if point.is_valid():
            point.delete()
    if gdb.newest_frame().pc() != pc:
        raise UnexpectedStopError


def kill(event):
    try:
        execute_quietly("kill")
    except gdb.error:
        pass  # it has gone already


class DebugSession:
    def __init__(self, request):
        self.request = request
        self.goal = "the application"
        self.start = request["start"]
        self.trampoline = None
        self.faults = None
        self.end = (self.start or 0) + request["size"]

    def connect(self):
        for command in self.request["settings"]:
            execute_quietly(command)
        execute_quietly(f"target remote {self.request['remote']}")
        if self.request["kill"]:
            # Otherwise GDB detaches at its end, and the machine keeps running.
            gdb.events.gdb_exiting.connect(kill)

    # --- where the application is ---

    def is_code(self, pc):
        return self.start is not None and self.start <= pc < self.end

    def load_offset(self):
        return 0 if self.request["low"] is None else self.start - self.request["low"]

    def read_handover(self):
        """In the loader's last function, at its first instruction."""
        handover = f"((struct handover *){address(self.request['argument']):#x})"
        self.start, self.end = (address(f"{handover}->image.{end}") for end in ("start", "end"))
        if self.request["trampoline"]:
            self.trampoline = address(self.request["trampoline"]["at"].format(h=handover))

    def load_symbols(self):
        """The symbols of the application, and of the trampoline, at the places where they are."""
        execute_quietly(f"symbol-file {quote(self.request['symbols'])} -o {self.load_offset():#x}")
        if self.trampoline is not None:
            piece = self.request["trampoline"]
            execute_quietly(f"add-symbol-file {quote(piece['file'])} -o {self.trampoline - piece['linked']:#x}")
        known = json.loads(os.environ["HERMIT_GDB"])
        known.update(start=self.start, end=self.end, app_offset=self.load_offset())
        os.environ["HERMIT_GDB"] = json.dumps(known)

    def stop_at_faults(self):
        """Stop at its faults, if that is wanted."""
        if self.request["faults"]:
            app, file = guest.application()
            self.faults = fault.FaultStops(guest.arch(), self.request["faults"] == "few")
            self.faults.watch(app, Path(file).read_bytes())

    def report_load(self):
        entry = self.request["entry"] + self.load_offset()
        image = f"{self.start:#x}..{self.end:#x}"
        report(f"the application is at {image} (its addresses + {self.load_offset():#x}), entered at {entry:#x}")

    # --- the ways to the first prompt ---

    def stop_in_loader(self):
        run_to(address(f"&{self.request['loader_main']}"))
        gdb.Breakpoint(f"*&{self.request['hand_over']}", gdb.BP_HARDWARE_BREAKPOINT, temporary=True)
        gdb.events.stop.connect(self.on_hand_over)
        report(f"this is the loader; `continue` stops again at the hand-over, {self.request['hand_over']}")
        gdb.execute("frame")

    def on_hand_over(self, event):
        """Where the person went on from the loader to the hand-over."""
        if gdb.newest_frame().name() != self.request["hand_over"]:
            return
        gdb.events.stop.disconnect(self.on_hand_over)
        try:
            self.read_handover()
            self.load_symbols()
            self.report_load()
            self.stop_at_faults()
            for place in self.request["breaks"] or [self.entry()]:
                hardware_breakpoint(resolve(place, self.is_code))
        except (LocationError, gdb.error) as error:
            report(error)

    def stop_in_app(self):
        if self.start is None:
            run_to(address(f"&{self.request['hand_over']}"))
            self.read_handover()
        self.load_symbols()
        self.report_load()
        self.stop_at_faults()
        if not self.request["breaks"]:
            run_to(self.request["entry"] + self.load_offset())
            gdb.execute("frame")
            return
        points = [hardware_breakpoint(resolve(place, self.is_code)) for place in self.request["breaks"]]
        self.goal = ", ".join(self.request["breaks"])
        continue_to_stop()
        if not any(point.is_valid() and point.hit_count for point in points):
            raise UnexpectedStopError
        select_requested_frame(self.request["breaks"])

    def entry(self):
        return f"*{self.request['entry'] + self.load_offset():#x}"

    def stop_here(self):
        if self.start is not None:
            self.load_symbols()
            self.report_load()
            for place in self.request["breaks"]:
                hardware_breakpoint(resolve(place, self.is_code))
        gdb.execute("frame")


class NamedFrame(FrameDecorator):
    """A frame with the name of the function that it is in.

    GDB's own decorator searches the symbols by the frame's pc. After a call that never returns, that is the address
    of the next function.
    """

    def function(self):
        name = self.inferior_frame().name()
        return guest.without_disambiguators(name) if name else super().function()


class CodeFrameFilter:
    """A frame filter that ends a backtrace at an address without code.

    A kernel's first function has no caller; the value after its frame, on the stack or in the return register, is not
    a return address. `bt -no-filters` shows all frames.
    """

    name = "hermit-code-only"
    enabled = True
    priority = 1

    def __init__(self, session):
        self.session = session
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        try:
            yield from self.code(frames)
        except gdb.error:  # what is known of the stack ends here
            return

    def code(self, frames):
        inside = False
        for number, frame in enumerate(frames):
            raw = frame.inferior_frame()
            code = self.session.is_code(raw.pc())
            if not code and (inside or (number and raw.name() is None)):
                return
            inside = code
            yield NamedFrame(frame)


def resolve(place, is_code):
    """Return a location that GDB knows.

    With line tables alone GDB lists Rust's functions without their path, which is then found in the name of the symbol,
    `hermit[ea54f3a9]::boot_processor_main`. A function that was moved to another module is found by its crate and name.
    """
    try:
        found = gdb.decode_line(place)[1] or ()
    except gdb.error as error:
        reason = str(error)
    else:
        # The loader may have a function of that name: it is not meant.
        files = {sal.symtab.filename for sal in found if sal.symtab and is_code(sal.pc)}
        return f"{files.pop()}:{place}" if len(files) == 1 and not all(is_code(sal.pc) for sal in found) else place
    crate, _, name = place.partition("::")
    name = name.rpartition("::")[2]
    functions = functions_named(name) if name else {}
    for path, pc in functions.items():
        if path == place or path.endswith(f"::{place}"):
            return plain_location(name, pc)
    moved = {path: pc for path, pc in functions.items() if path.startswith(f"{crate}::")}
    if len(moved) > 1:
        listed = "".join(f"\n  {path}" for path in sorted(moved))
        raise LocationError(f"no breakpoint at {place}: there is no such function. {crate} has these:{listed}")
    for path, pc in moved.items():
        report(f"there is no function {place}: {path} is used")
        return plain_location(name, pc)
    raise LocationError(f"no breakpoint at {place}: {reason}")


def functions_named(name):
    """Return a map from path to address of each function whose last component is `name`."""
    rows = re.findall(r"^(0x[0-9a-f]+)\s+\S", execute_quietly(f"info functions {re.escape(name)}"), re.M)
    addresses = [*(sal.pc for sal in decode_location(name)), *(int(row, 16) for row in rows)]
    paths = {symbol_path(pc): pc for pc in addresses}
    return {path: pc for path, pc in paths.items() if path.rpartition("::")[2] == name}


def plain_location(name, pc):
    """Return the name if GDB finds this function alone by it, else the address."""
    return name if [sal.pc for sal in decode_location(name)] == [pc] else f"*{pc:#x}"


def decode_location(place):
    try:
        return gdb.decode_line(place)[1] or ()
    except gdb.error:
        return ()


def symbol_path(pc):
    """Return the name of the symbol at an address, without Rust's disambiguators."""
    symbol = execute_quietly(f"info symbol {pc:#x}").partition(" in section")[0]
    return guest.without_disambiguators(symbol.partition(" + ")[0])


def select_requested_frame(places):
    """Where a function begins with what was inlined into it, GDB names the innermost one: choose the one asked for."""
    names = {place.rpartition("::")[2] for place in places}
    frame = gdb.newest_frame()
    while frame is not None and frame.type() == gdb.INLINE_FRAME and frame.name() not in names:
        frame = frame.older()
    if frame is not None and frame != gdb.newest_frame():
        frame.select()
        gdb.execute("frame")


def first_prompt(request):
    """What the person sees first: the answers to their commands."""
    if request["hermit"]:
        execute_quietly(f"source {request['hermit']}")
    for command in request["commands"]:
        gdb.execute(command)


def quit_gdb(status, text):
    gdb.write(f"hermit: {text}\n", gdb.STDERR)
    gdb.flush(gdb.STDERR)
    gdb.execute(f"quit {status}")


def main():
    request = json.loads(os.environ["HERMIT_SESSION"])
    session = DebugSession(request)
    CodeFrameFilter(session)
    unwind.register()
    execute_quietly("set confirm off")
    paging = gdb.parameter("pagination")
    execute_quietly("set pagination off")
    try:
        session.connect()
        {"entry": session.stop_in_app, "loader": session.stop_in_loader, "here": session.stop_here}[request["stop"]]()
    except MachineEndedError as ended:
        return quit_gdb(NOT_REACHED, f"{ended} before {session.goal} was reached")
    except (UnexpectedStopError, KeyboardInterrupt):
        event = f"{session.faults.last}: " if session.faults and session.faults.last else ""
        text = f"{event}the machine has stopped at {gdb.newest_frame().pc():#x} before {session.goal} was reached"
        if request["batch"]:
            return quit_gdb(NOT_REACHED, text)
        report(text)
        request["commands"].clear()
        gdb.execute("frame")
    except (LocationError, gdb.error) as error:
        return quit_gdb(WRONG_LOCATION, str(error))
    execute_quietly(f"set pagination {'on' if paging else 'off'}")
    try:
        first_prompt(request)
    except gdb.error as error:
        if request["batch"]:
            return quit_gdb(COMMAND_FAILED, str(error))
        gdb.write(f"{error}\n", gdb.STDERR)
    return None


try:
    main()
except Exception:  # a fault of ours: GDB would go on as if nothing were
    quit_gdb(WRONG_LOCATION, traceback.format_exc())
