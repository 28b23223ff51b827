#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

/// The seed of randomised tests: RDU_SEED if set. Printed, so that a failure can be repeated.
inline uint64_t test_seed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("RDU_SEED");
    const uint64_t value = text ? std::strtoull(text, nullptr, 0) : 1;
    std::printf("RDU_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }();
  return seed;
}
