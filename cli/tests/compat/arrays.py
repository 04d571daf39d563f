"""numpy: integers compare exactly, floating-point numbers are rounded. Tells whether it has threads."""
import os
import sys

before = len(os.listdir("/proc/self/task"))
import numpy

scale = int(sys.argv[1])
random = numpy.random.RandomState(1)
words = random.randint(0, 1 << 30, 2_000_000 * scale)
words.sort()
print(words[::400_000 * scale], int(words.sum()))
a, b = random.rand(300 * scale, 300 * scale), random.rand(300 * scale, 300 * scale)
print(round(float((a @ b).sum()), 3), round(float(numpy.linalg.slogdet(a @ a.T + numpy.eye(len(a)))[1]), 3))
print(numpy.abs(numpy.fft.ifft(numpy.fft.fft(words[:65536])) - words[:65536]).max() < 1)
print(numpy.allclose(a @ numpy.linalg.solve(a, b), b, atol=1e-6))
print("threads", len(os.listdir("/proc/self/task")) > before)
