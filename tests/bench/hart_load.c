/* A firmware that only computes, for ever: what the speed of the management core is measured with. A round is
 * a sieve, a sort, a checksum and a matrix product of integers, so that loads, stores, multiplications and
 * branches that are hard to predict all have their share, as in ordinary code. */
#include <stdint.h>

enum { kSieve = 8192, kSort = 1024, kMatrix = 24 };

static uint8_t sieve[kSieve];
static uint32_t values[kSort];
static int32_t a[kMatrix][kMatrix], b[kMatrix][kMatrix], c[kMatrix][kMatrix];
volatile uint64_t rounds, checksum;

static uint32_t count_primes(void) {
  uint32_t count = 0;
  for (uint32_t i = 2; i < kSieve; ++i) sieve[i] = 1;
  for (uint32_t i = 2; i < kSieve; ++i) {
    if (!sieve[i]) continue;
    ++count;
    for (uint32_t k = 2 * i; k < kSieve; k += i) sieve[k] = 0;
  }
  return count;
}

static uint32_t shell_sort(uint32_t seed) {
  for (uint32_t i = 0; i < kSort; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = seed;
  }
  for (uint32_t gap = kSort / 2; gap > 0; gap /= 2) {
    for (uint32_t i = gap; i < kSort; ++i) {
      const uint32_t value = values[i];
      uint32_t k = i;
      for (; k >= gap && values[k - gap] > value; k -= gap) values[k] = values[k - gap];
      values[k] = value;
    }
  }
  return values[kSort / 2];
}

static uint32_t crc(const uint8_t* data, uint32_t size) {
  uint32_t value = ~0u;
  for (uint32_t i = 0; i < size; ++i) {
    value ^= data[i];
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
  }
  return ~value;
}

static int32_t multiply(int32_t seed) {
  for (int i = 0; i < kMatrix; ++i) {
    for (int k = 0; k < kMatrix; ++k) {
      a[i][k] = seed + i - k;
      b[i][k] = seed * i + k;
    }
  }
  int32_t trace = 0;
  for (int i = 0; i < kMatrix; ++i) {
    for (int k = 0; k < kMatrix; ++k) {
      uint32_t sum = 0;
      for (int m = 0; m < kMatrix; ++m) sum += (uint32_t)a[i][m] * (uint32_t)b[m][k];
      c[i][k] = (int32_t)sum;
    }
    trace ^= c[i][i];
  }
  return trace;
}

__attribute__((noreturn)) void compute(void) {
  for (;;) {
    const uint32_t round = (uint32_t)rounds;
    checksum += count_primes() + shell_sort(round) + crc((const uint8_t*)values, sizeof values) +
                (uint32_t)multiply((int32_t)(round & 0xffff));
    rounds = rounds + 1;
  }
}
