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
  kill       the machine ends with GDB
HERMIT_GDB holds the settings of the script `hermit`; this module adds the image's address.

GDB's exit status: 1 if a command of a batch failed, 3 if the machine ended before the application (in a batch also if
it stopped elsewhere), 4 if a location does not exist. Imports nothing of the harness.
"""

import json
import os
import re
import traceback

import gdb

FAILED, NOT_REACHED, WRONG = 1, 3, 4


class EndedError(Exception):
    """The machine is gone."""


class StopError(Exception):
    """The guest stopped elsewhere: after an interrupt or a fault."""


class PlaceError(Exception):
    """There is no such place for a breakpoint."""


def say(text):
    gdb.write(f"hermit: {text}\n")
    gdb.flush()


def quiet(command):
    return gdb.execute(command, to_string=True)


def quoted(file):
    return json.dumps(file, ensure_ascii=False)


def address(expression):
    return int(gdb.parse_and_eval(f"(unsigned long)({expression})"))


def go_on():
    """Let the machine run until it stops; without what GDB says of the stop."""
    try:
        quiet("continue")
    except gdb.error as error:  # the connection is closed
        raise EndedError("the machine has ended") from error
    if not gdb.selected_inferior().threads():
        raise EndedError("the machine has ended")


def hardware(place, internal=False):
    """A breakpoint that is no instruction in memory: what is still to be loaded would overwrite it. An internal one is
    ours, and GDB says nothing of it."""
    point = gdb.Breakpoint(place, gdb.BP_HARDWARE_BREAKPOINT, internal=internal, temporary=internal)
    point.silent = internal
    return point


def stop_at(place):
    """Run to an address."""
    point = hardware(f"*{place:#x}", internal=True)
    try:
        go_on()
    finally:
        if point.is_valid():
            point.delete()
    if gdb.newest_frame().pc() != place:
        raise StopError


def kill(event):
    try:
        quiet("kill")
    except gdb.error:
        pass  # it has gone already


class Session:
    def __init__(self, wanted):
        self.wanted = wanted
        self.goal = "the application"
        self.start = wanted["start"]
        self.trampoline = None
        self.end = (self.start or 0) + wanted["size"]

    def connect(self):
        for command in self.wanted["settings"]:
            quiet(command)
        quiet(f"target remote {self.wanted['remote']}")
        if self.wanted["kill"]:
            # Otherwise GDB detaches at its end, and the machine keeps running.
            gdb.events.gdb_exiting.connect(kill)

    # --- where the application is ---

    def is_code(self, pc):
        return self.start is not None and self.start <= pc < self.end

    def moved(self):
        return 0 if self.wanted["low"] is None else self.start - self.wanted["low"]

    def ask_loader(self):
        """In the loader's last function, at its first instruction."""
        handover = f"((struct handover *){address(self.wanted['argument']):#x})"
        self.start, self.end = (address(f"{handover}->image.{end}") for end in ("start", "end"))
        if self.wanted["trampoline"]:
            self.trampoline = address(self.wanted["trampoline"]["at"].format(h=handover))

    def load(self):
        """The symbols of the application, and of the trampoline, at the places where they are."""
        quiet(f"symbol-file {quoted(self.wanted['symbols'])} -o {self.moved():#x}")
        if self.trampoline is not None:
            piece = self.wanted["trampoline"]
            quiet(f"add-symbol-file {quoted(piece['file'])} -o {self.trampoline - piece['linked']:#x}")
        known = json.loads(os.environ["HERMIT_GDB"])
        known.update(start=self.start, end=self.end, app_offset=self.moved())
        os.environ["HERMIT_GDB"] = json.dumps(known)

    def publish(self):
        entry = self.wanted["entry"] + self.moved()
        image = f"{self.start:#x}..{self.end:#x}"
        say(f"the application is at {image} (its addresses + {self.moved():#x}), entered at {entry:#x}")

    # --- the ways to the first prompt ---

    def to_loader(self):
        stop_at(address(f"&{self.wanted['loader_main']}"))
        gdb.Breakpoint(f"*&{self.wanted['hand_over']}", gdb.BP_HARDWARE_BREAKPOINT, temporary=True)
        gdb.events.stop.connect(self.at_hand_over)
        say(f"this is the loader; `continue` stops again at the hand-over, {self.wanted['hand_over']}")
        gdb.execute("frame")

    def at_hand_over(self, event):
        """Where the person went on from the loader to the hand-over."""
        if gdb.newest_frame().name() != self.wanted["hand_over"]:
            return
        gdb.events.stop.disconnect(self.at_hand_over)
        try:
            self.ask_loader()
            self.load()
            self.publish()
            for place in self.wanted["breaks"] or [self.entry()]:
                hardware(resolve(place, self.is_code))
        except (PlaceError, gdb.error) as error:
            say(error)

    def to_app(self):
        if self.start is None:
            stop_at(address(f"&{self.wanted['hand_over']}"))
            self.ask_loader()
        self.load()
        self.publish()
        if not self.wanted["breaks"]:
            stop_at(self.wanted["entry"] + self.moved())
            gdb.execute("frame")
            return
        points = [hardware(resolve(place, self.is_code)) for place in self.wanted["breaks"]]
        self.goal = ", ".join(self.wanted["breaks"])
        go_on()
        if not any(point.is_valid() and point.hit_count for point in points):
            raise StopError
        show_asked(self.wanted["breaks"])

    def entry(self):
        return f"*{self.wanted['entry'] + self.moved():#x}"

    def to_here(self):
        if self.start is not None:
            self.load()
            self.publish()
        gdb.execute("frame")


class CodeOnly:
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
            yield frame


def resolve(place, is_code):
    """A place that GDB knows. With line tables alone, Rust's functions are listed without their path: the path is then
    found in the symbol's own name, `hermit[ea54f3a9]::boot_processor_main`."""
    try:
        found = gdb.decode_line(place)[1] or ()
    except gdb.error as error:
        reason = str(error)
    else:
        # The loader may have a function of that name: it is not meant.
        files = {sal.symtab.filename for sal in found if sal.symtab and is_code(sal.pc)}
        return f"{files.pop()}:{place}" if len(files) == 1 and not all(is_code(sal.pc) for sal in found) else place
    name = place.rpartition("::")[2]
    found = [sal.pc for sal in decoded(name)]
    exact = [pc for pc in found if named(pc, place)]
    if exact and len(found) == 1:
        return name
    if exact:
        return f"*{exact[0]:#x}"
    for line in quiet(f"info functions {re.escape(name)}").splitlines():
        row = re.match(r"(0x[0-9a-f]+)\s+\S", line)
        if row and named(int(row[1], 16), place):
            return f"*{row[1]}"
    raise PlaceError(f"no breakpoint at {place}: {reason}")


def decoded(place):
    try:
        return gdb.decode_line(place)[1] or ()
    except gdb.error:
        return ()


def named(pc, path):
    """Whether the symbol at this address is what a person calls `path`."""
    symbol = quiet(f"info symbol {pc:#x}").partition(" in section")[0]
    plain = re.sub(r"\[[0-9a-f]+\]|::h[0-9a-f]{16}$", "", symbol).partition(" + ")[0]
    return plain == path or plain.endswith(f"::{path}")


def show_asked(places):
    """Where a function begins with what was inlined into it, GDB names the innermost one: choose the one asked for."""
    names = {place.rpartition("::")[2] for place in places}
    frame = gdb.newest_frame()
    while frame is not None and frame.type() == gdb.INLINE_FRAME and frame.name() not in names:
        frame = frame.older()
    if frame is not None and frame != gdb.newest_frame():
        frame.select()
        gdb.execute("frame")


def first_prompt(wanted):
    """What the person sees first: the answers to their commands."""
    if wanted["hermit"]:
        quiet(f"source {wanted['hermit']}")
    for command in wanted["commands"]:
        gdb.execute(command)


def leave(status, text):
    gdb.write(f"hermit: {text}\n", gdb.STDERR)
    gdb.flush(gdb.STDERR)
    gdb.execute(f"quit {status}")


def main():
    wanted = json.loads(os.environ["HERMIT_SESSION"])
    session = Session(wanted)
    CodeOnly(session)
    quiet("set confirm off")
    paging = gdb.parameter("pagination")
    quiet("set pagination off")
    try:
        session.connect()
        {"entry": session.to_app, "loader": session.to_loader, "here": session.to_here}[wanted["stop"]]()
    except EndedError as ended:
        return leave(NOT_REACHED, f"{ended} before {session.goal} was reached")
    except (StopError, KeyboardInterrupt):
        text = f"the machine has stopped at {gdb.newest_frame().pc():#x} before {session.goal} was reached"
        if wanted["batch"]:
            return leave(NOT_REACHED, text)
        say(text)
        wanted["commands"].clear()
        gdb.execute("frame")
    except (PlaceError, gdb.error) as error:
        return leave(WRONG, str(error))
    quiet(f"set pagination {'on' if paging else 'off'}")
    try:
        first_prompt(wanted)
    except gdb.error as error:
        if wanted["batch"]:
            return leave(FAILED, str(error))
        gdb.write(f"{error}\n", gdb.STDERR)
    return None


try:
    main()
except Exception:  # a fault of ours: GDB would go on as if nothing were
    leave(WRONG, traceback.format_exc())
