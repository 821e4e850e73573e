"""What a process that reads hostile files may still do: little, and not for long. Linux; limits alone elsewhere."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Linux system calls that decoding needs none of, by machine: x86_64 and aarch64 number them differently. Network,
#: programs, processes and threads, signals to others, and all that changes folders.
_FORBIDDEN: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "socket": 41, "connect": 42, "sendto": 44, "bind": 49, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58,
        "execve": 59, "kill": 62, "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86,
        "unlink": 87, "symlink": 88, "chmod": 90, "ptrace": 101, "setpgid": 109, "setsid": 112, "rt_sigqueueinfo": 129,
        "mknod": 133, "tkill": 200, "mkdirat": 258, "mknodat": 259, "unlinkat": 263, "renameat": 264, "linkat": 265,
        "symlinkat": 266, "fchmodat": 268, "rt_tgsigqueueinfo": 297, "process_vm_writev": 311, "renameat2": 316,
        "execveat": 322, "pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435, "openat2": 437,
    },
    "aarch64": {
        "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45,
        "fchmodat": 53, "ptrace": 117, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "setpgid": 154,
        "setsid": 157, "socket": 198, "socketpair": 199, "bind": 200, "connect": 203, "sendto": 206, "clone": 220,
        "execve": 221, "rt_tgsigqueueinfo": 240, "process_vm_writev": 271, "renameat2": 276, "execveat": 281,
        "pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435, "openat2": 437,
    },
}  # fmt: skip
#: Calls allowed as far as an argument goes: open and openat with their flags' place, tgkill with the process's.
_OPENING: Final = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}
_SIGNALLING: Final = {"x86_64": (234, 0), "aarch64": (131, 0)}
_WRITING_FLAGS: Final = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_LOAD_WORD: Final = 0x20
_AND: Final = 0x54
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # EPERM
_KILL: Final = 0x80000000


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process that decodes one file may use; ``start_s``, then ``wall_s``, count real time."""

    start_s: float = (
        60.0  # to load its libraries, which compile some of their code where it runs for the first time
    )
    wall_s: float = 15.0
    cpu_s: int = 15
    memory_bytes: int = 2 * 2**30
    answer_bytes: int = 64 * 1024

    def arguments(self) -> list[str]:
        """Write those that the process holds itself to, as ``from_arguments`` reads them."""
        return [str(self.memory_bytes), str(self.cpu_s), str(self.answer_bytes)]

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Limits:
        """Read what ``arguments`` wrote; ValueError for anything else."""
        memory_bytes, cpu_s, answer_bytes = (int(argument) for argument in arguments)
        return cls(memory_bytes=memory_bytes, cpu_s=cpu_s, answer_bytes=answer_bytes)


def limit_memory(limits: Limits) -> None:
    """Hold this process to its memory, leave no core file, and end it with its parent; to be called first of all."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if platform.system() == "Linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def confine(limits: Limits) -> bool:
    """Take away what decoding does not need, once the libraries are loaded: time, files, processes and the network.

    The answer is all that can be written still. True where the kernel now refuses network, processes, and files opened
    to be written as well: code taken over must not leave anything for the next process, as in a cache of compiled code.
    """
    used_s = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used_s.ru_utime + used_s.ru_stime) + 1 + limits.cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.answer_bytes, limits.answer_bytes))
    return platform.system() == "Linux" and _refuse_calls(platform.machine())


def _refuse_calls(machine: str) -> bool:
    """Have the kernel refuse the forbidden calls (seccomp) from here on; False where it cannot."""
    if machine not in _FORBIDDEN:
        return False
    checks = [(number, place, _WRITING_FLAGS, 0) for number, place in _OPENING[machine]]
    checks.append((*_SIGNALLING[machine], 0xFFFFFFFF, os.getpid()))
    numbers = sorted(_FORBIDDEN[machine].values())
    # What follows the head: the forbidden calls, four steps for each check, then to allow and to refuse.
    allow = 5 + len(numbers) + 4 * len(checks)
    refuse = allow + 1
    program = [
        (_LOAD_WORD, 0, 0, 4),  # the architecture
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD_WORD, 0, 0, 0),  # the call's number
        # Another numbering of the same calls. A jump's length counts from the step after it.
        (_JUMP_AT_LEAST, refuse - 5, 0, _X32_BIT),
    ]
    for number in numbers:
        program.append((_JUMP_EQUAL, refuse - len(program) - 1, 0, number))
    for number, place, mask, allowed in checks:
        program.append((_JUMP_EQUAL, 0, 3, number))
        program.append((_LOAD_WORD, 0, 0, 16 + 8 * place))  # an argument's lower half
        program.append((_AND, 0, 0, mask))
        program.append((_JUMP_EQUAL, allow - len(program) - 1, refuse - len(program) - 1, allowed))
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0) == 0)
