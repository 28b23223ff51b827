#pragma once

#include <cstring>
#include <string>

#include "fabric/pmu/scratchpad.h"
#include "pins/verilated_pins.h"

namespace rdu::rtl {

/// A verilated PMU. The Verilog has its memory inside; it is that of the tile only from the start of an
/// execution to the end of its work. `Memory` gives the array of the words: 32 data bits, and above them 7
/// check bits of ECC if the array is of 64.
template <class V, class Memory>
class VerilatedPmu : public VerilatedPins<V> {
 public:
  /// `pad` outlives it. Throws bad_input if it is not as large as the memory in the Verilog.
  VerilatedPmu(const fabric::PinCounts& pins, fabric::Scratchpad& pad) : VerilatedPins<V>(pins), pad_(pad) {
    const auto& memory = Memory::of(this->module());
    if (sizeof memory / sizeof memory[0] != pad_.bytes() / 4) {
      core::bad_input("the scratchpad of the PMU's Verilog has " +
                      std::to_string(sizeof memory / sizeof memory[0]) + " words, that of the tile " +
                      std::to_string(pad_.bytes() / 4));
    }
  }
  ~VerilatedPmu() override { give_back(); }

  void start(const fabric::PinCredits& credits, fabric::PinOutputs& out) override {
    give_back();
    auto& memory = Memory::of(this->module());
    const uint8_t* bytes = pad_.data();
    for (uint64_t i = 0; i < pad_.bytes() / 4; ++i) {
      uint32_t word;
      std::memcpy(&word, bytes + 4 * i, 4);
      if constexpr (sizeof(memory[i]) == 8) {
        memory[i] = word == 0 ? 0 : word | static_cast<uint64_t>(fabric::ecc::check_bits(word)) << 32;
      } else {
        memory[i] = word;
      }
    }
    has_it_ = true;
    clears_ = pad_.clears();
    VerilatedPins<V>::start(credits, out);
  }
  void tick(const fabric::PinInputs& in, fabric::PinOutputs& out) override {
    VerilatedPins<V>::tick(in, out);
    if (out.done) give_back();
  }

 private:
  void give_back() {
    if (!has_it_) return;
    has_it_ = false;
    if (pad_.clears() != clears_)
      return;  // cleared since, as after a kernel that was ended: what is here is gone
    const auto& memory = Memory::of(this->module());
    uint8_t* bytes = pad_.data();
    for (uint64_t i = 0; i < pad_.bytes() / 4; ++i) {
      const auto word = static_cast<uint32_t>(memory[i]);
      std::memcpy(bytes + 4 * i, &word, 4);
    }
  }

  fabric::Scratchpad& pad_;
  bool has_it_ = false;
  uint64_t clears_ = 0;  ///< of the scratchpad, when it was taken
};

}  // namespace rdu::rtl
