/* Integers: a sieve, a sort, a checksum and a matrix product, so that loads, stores, multiplications and
 * branches that are hard to predict all have their share, as in ordinary code. */
#include "workload.h"

enum { kSieve = 8192, kPrimes = 1028, kSort = 1024, kMatrix = 24 };

static uint8_t sieve[kSieve];
static uint32_t values[kSort];
static int32_t a[kMatrix][kMatrix], b[kMatrix][kMatrix], c[kMatrix][kMatrix];

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

/* Fills `values` with pseudo-random numbers; their sum. */
static uint32_t fill(uint32_t seed) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < kSort; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = seed;
    sum += seed;
  }
  return sum;
}

static void shell_sort(void) {
  for (uint32_t gap = kSort / 2; gap > 0; gap /= 2) {
    for (uint32_t i = gap; i < kSort; ++i) {
      const uint32_t value = values[i];
      uint32_t k = i;
      for (; k >= gap && values[k - gap] > value; k -= gap) values[k] = values[k - gap];
      values[k] = value;
    }
  }
}

static int is_sorted_sum(uint32_t sum) {
  for (uint32_t i = 0; i < kSort; ++i) {
    if (i > 0 && values[i - 1] > values[i]) return 0;
    sum -= values[i];
  }
  return sum == 0;
}

/* The register of a CRC-32 after these bytes; a message with its CRC behind it leaves a constant. */
static uint32_t crc(uint32_t value, const uint8_t* data, uint32_t size) {
  for (uint32_t i = 0; i < size; ++i) {
    value ^= data[i];
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
  }
  return value;
}

static int crc_is_right(void) {
  const uint32_t sum = ~crc(~0u, (const uint8_t*)values, sizeof values);
  return crc(~sum, (const uint8_t*)&sum, sizeof sum) == 0xdebb20e3u;
}

/* (seed + i - k) times (i + k), compared with the closed form of its trace. */
static int product_is_right(int32_t seed) {
  for (int i = 0; i < kMatrix; ++i) {
    for (int k = 0; k < kMatrix; ++k) {
      a[i][k] = seed + i - k;
      b[i][k] = i + k;
    }
  }
  int32_t trace = 0;
  for (int i = 0; i < kMatrix; ++i) {
    for (int k = 0; k < kMatrix; ++k) {
      int32_t sum = 0;
      for (int m = 0; m < kMatrix; ++m) sum += a[i][m] * b[m][k];
      c[i][k] = sum;
    }
    trace += c[i][i];
  }
  /* The sum of (seed + i - m) * (m + i) over all i and m: the squares cancel. */
  return trace == seed * kMatrix * kMatrix * (kMatrix - 1);
}

int workload(uint32_t rounds) {
  for (uint32_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) {
      if (count_primes() != kPrimes) return 1;
      const uint32_t sum = fill(round * 2 + (uint32_t)i);
      shell_sort();
      if (!is_sorted_sum(sum)) return 2;
      if (!crc_is_right()) return 3;
      if (!product_is_right((int32_t)(round & 0xff))) return 4;
    }
  }
  return 0;
}
