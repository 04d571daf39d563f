"""Processes of Python: subprocess, a pool of workers, os.fork with memory that the child changes."""
import multiprocessing
import os
import subprocess
import sys

scale = int(sys.argv[1])


def square(x):
    return sum(i * x for i in range(1000 * scale))


if __name__ == "__main__":
    print(subprocess.run(["tr", "a-z", "A-Z"], input=b"shout", stdout=subprocess.PIPE).stdout)
    print(subprocess.check_output("echo $((6 * 7)) | cat", shell=True))
    print(subprocess.call(["sh", "-c", "exit 9"]), subprocess.call(["sh", "-c", "kill -9 $$"]))
    table = {i: str(i) * 5 for i in range(100000 * scale)}
    pid = os.fork()
    if pid == 0:
        table.update((i, "changed") for i in range(0, len(table), 2))
        os._exit(3 if sum(v == "changed" for v in table.values()) == len(table) // 2 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), sum(len(v) for v in table.values()))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(sum(pool.map(square, range(50))))
