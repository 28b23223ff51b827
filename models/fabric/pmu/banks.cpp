#include "fabric/pmu/banks.h"

#include <algorithm>
#include <array>

#include "fabric/program.h"

namespace rdu::fabric {
namespace {
constexpr unsigned kWordBytes = 4;
constexpr unsigned kMostWords =
    2 * RDU_VECTOR_BYTES;  ///< 64 elements of a byte could each lie in a word of its own
constexpr uint64_t kMostKnown = 64 * 1024;
}  // namespace

BankCost::BankCost(unsigned banks, unsigned shift, unsigned skew, unsigned elements, unsigned bytes,
                   int64_t stride)
    : banks_(banks), shift_(shift), skew_(skew), elements_(elements), bytes_(bytes), stride_(stride) {
  // Adding banks << max(shift, skew) adds a multiple of `banks` to both terms of the bank's formula.
  period_ = static_cast<uint64_t>(banks) << std::max({shift, skew, 2u});
  if ((period_ & (period_ - 1)) == 0) mask_ = period_ - 1;
  if (period_ <= kMostKnown) known_.resize(period_);
}

unsigned BankCost::compute(uint64_t address) const {
  std::array<uint64_t, kMostWords> words;
  unsigned count = 0;
  for (unsigned i = 0; i < elements_; ++i) {
    const uint64_t first = address + static_cast<uint64_t>(stride_ * i);
    for (uint64_t word = first / kWordBytes; word <= (first + bytes_ - 1) / kWordBytes; ++word)
      words[count++] = word * kWordBytes;
  }
  return cost_of_words(words.data(), count);
}

unsigned BankCost::cost_of_all(uint64_t address, const Counters<6>& counters) {
  constexpr uint64_t kMostLooks = 16 * 1024;
  Counters<6> differing;  // without the levels that change no cost
  for (unsigned i = 0; i < 6; ++i) {
    if (!is_period(counters.stride(i)))
      differing.set(i, counters.count(i), static_cast<uint32_t>(counters.stride(i)));
  }
  const unsigned first = cost(address);
  const uint64_t looks = differing.total();
  if (looks > kMostLooks) return 0;
  for (uint64_t i = 0; i < looks; ++i, differing.next()) {
    if (cost(address + static_cast<uint64_t>(differing.offset())) != first) return 0;
  }
  return first;
}

unsigned BankCost::cost_of_words(uint64_t* words, unsigned count) const {
  std::sort(words, words + count);
  count = static_cast<unsigned>(std::unique(words, words + count) - words);
  std::array<uint8_t, 64> load{};
  uint8_t most = 1;
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t bank = ((words[i] >> shift_) + (skew_ != 0 ? words[i] >> skew_ : 0)) % banks_;
    most = std::max(most, ++load[bank]);
  }
  return most;
}

}  // namespace rdu::fabric
