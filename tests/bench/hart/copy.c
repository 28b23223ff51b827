/* Copies: bytes, half words, words and double words, one at a time and eight in a row, forwards and
 * backwards, over 64 KiB. */
#include "workload.h"

enum { kBytes = 65536, kDoubles = kBytes / 8 };

static union Buffer {
  uint8_t bytes[kBytes];
  uint16_t halves[kBytes / 2];
  uint32_t words[kBytes / 4];
  uint64_t doubles[kDoubles];
} one, other;

/* Keeps the compiler from joining passes, or from leaving them out. */
#define BARRIER() __asm__ volatile("" ::: "memory")

#define COPY(member)                                                                                         \
  do {                                                                                                       \
    for (uint32_t i = 0; i < sizeof to->member / sizeof to->member[0]; ++i) to->member[i] = from->member[i]; \
    BARRIER();                                                                                               \
  } while (0)

static void copy_upwards(union Buffer* restrict to, const union Buffer* restrict from) {
  COPY(bytes);
  COPY(halves);
  COPY(words);
  COPY(doubles);
}

static void copy_rows(uint64_t* restrict to, const uint64_t* restrict from) {
  for (const uint64_t* end = from + kDoubles; from != end; from += 8, to += 8) {
    const uint64_t a = from[0], b = from[1], c = from[2], d = from[3];
    const uint64_t e = from[4], f = from[5], g = from[6], h = from[7];
    to[0] = a;
    to[1] = b;
    to[2] = c;
    to[3] = d;
    to[4] = e;
    to[5] = f;
    to[6] = g;
    to[7] = h;
  }
  BARRIER();
}

/* By one place, in itself: the overlap forbids any other order. */
static void shift_downwards(uint64_t* data) {
  for (uint32_t i = kDoubles - 1; i > 0; --i) data[i] = data[i - 1];
  BARRIER();
}

int workload(uint32_t rounds) {
  for (uint32_t round = 0; round < rounds; ++round) {
    for (uint32_t i = 0; i < kDoubles; ++i) one.doubles[i] = (uint64_t)(i + round) * 0x9e3779b97f4a7c15u;
    BARRIER();
    copy_upwards(&other, &one);
    for (int i = 0; i < 8; ++i) {
      copy_rows(one.doubles, other.doubles);
      copy_rows(other.doubles, one.doubles);
    }
    shift_downwards(other.doubles);
    for (uint32_t i = 1; i < kDoubles; ++i) {
      if (other.doubles[i] != (uint64_t)(i - 1 + round) * 0x9e3779b97f4a7c15u) return 1;
    }
  }
  return 0;
}
