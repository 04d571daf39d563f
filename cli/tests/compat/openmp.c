/* Loops, reductions, schedules, tasks and critical sections of OpenMP; the answers do not depend on the number of threads. */
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long fibonacci(int n) {
    long a, b;
    if (n < 12)
        return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
#pragma omp task shared(a)
    a = fibonacci(n - 1);
#pragma omp task shared(b)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

int main(int argc, char **argv) {
    long scale = argc > 1 ? atol(argv[1]) : 1, limit = 8000000 * scale, n = 200 * scale, primes = 0, answer = 0;
    char *composite = calloc(1, (size_t)limit);
    for (long i = 2; i * i < limit; i++)
        if (!composite[i]) {
#pragma omp parallel for schedule(static)
            for (long j = i; j <= (limit - 1) / i; j++)
                composite[i * j] = 1;
        }
#pragma omp parallel for reduction(+ : primes) schedule(dynamic, 4096)
    for (long i = 2; i < limit; i++)
        primes += !composite[i];
    printf("primes %ld\n", primes);
    uint32_t *a = malloc(4 * n * n), *b = malloc(4 * n * n), *c = calloc(4, n * n), sum = 0;
    for (long i = 0; i < n * n; i++)
        a[i] = (uint32_t)(i * 2654435761u), b[i] = (uint32_t)(i * 40503u + 7);
#pragma omp parallel for collapse(2)
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++)
            for (long k = 0; k < n; k++)
                c[i * n + j] += a[i * n + k] * b[k * n + j];
#pragma omp parallel for reduction(^ : sum)
    for (long i = 0; i < n * n; i++)
        sum ^= c[i] * (uint32_t)(i + 1);
    printf("product %08x\n", sum);
#pragma omp parallel
#pragma omp single
    answer = fibonacci(24);
    printf("fibonacci %ld\n", answer);
    long counted = 0;
#pragma omp parallel for
    for (int i = 0; i < 1000; i++) {
#pragma omp critical
        counted += i;
    }
    printf("critical %ld\n", counted);
    return 0;
}
