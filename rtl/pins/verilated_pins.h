#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <verilated.h>
#include <verilated_fst_c.h>

#include "core/error.h"
#include "fabric/stream/pins.h"
#include "pins/coverage.h"

/// A verilated module behind the port list of pin models (models/fabric/stream/README.md, "Pins").
namespace rdu::rtl {

namespace detail {

/// A port is an integer of up to 64 bits, or a VlWide of words of 32.
template <class Port>
constexpr bool is_narrow = std::is_integral_v<Port>;

template <class Port>
void assign(Port& port, uint64_t value) {
  port = static_cast<Port>(value);
}

template <class Port>
void clear(Port& port) {
  if constexpr (is_narrow<Port>) {
    port = 0;
  } else {
    std::memset(port.data(), 0, sizeof port);
  }
}

template <class Port>
uint64_t get(const Port& port, unsigned lsb, unsigned width) {
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  if constexpr (is_narrow<Port>) {
    return static_cast<uint64_t>(port) >> lsb & mask;
  } else {
    const unsigned word = lsb / 32;
    const unsigned bit = lsb % 32;
    uint64_t value = port.data()[word] >> bit;
    for (unsigned have = 32 - bit, w = word + 1; have < width; have += 32, ++w) {
      value |= static_cast<uint64_t>(port.data()[w]) << have;
    }
    return value & mask;
  }
}

template <class Port>
void set(Port& port, unsigned lsb, unsigned width, uint64_t value) {
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  if constexpr (is_narrow<Port>) {
    port = static_cast<Port>((port & ~(mask << lsb)) | (value & mask) << lsb);
  } else {
    for (unsigned done = 0; done < width;) {
      const unsigned bit = (lsb + done) % 32;
      const unsigned n = width - done < 32 - bit ? width - done : 32 - bit;
      const auto part = static_cast<uint32_t>(n == 32 ? ~uint32_t{0} : (uint32_t{1} << n) - 1);
      uint32_t& word = port.data()[(lsb + done) / 32];
      word = (word & ~(part << bit)) | (static_cast<uint32_t>(value >> done) & part) << bit;
      done += n;
    }
  }
}

template <class Port>
bool any(const Port& port) {
  if constexpr (is_narrow<Port>) {
    return port != 0;
  } else {
    for (const uint32_t word : port.m_storage) {
      if (word != 0) return true;
    }
    return false;
  }
}

/// Flow ids of scalar words: where words come with several, and where they leave to a switch.
template <class V, class = void>
struct has_sin_flow : std::false_type {};
template <class V>
struct has_sin_flow<V, std::void_t<decltype(std::declval<V>().sin_flow)>> : std::true_type {};
template <class V, class = void>
struct has_sout_flow : std::false_type {};
template <class V>
struct has_sout_flow<V, std::void_t<decltype(std::declval<V>().sout_flow)>> : std::true_type {};

/// What PERF_* count of a unit: where its module tells.
template <class V, class = void>
struct has_perf : std::false_type {};
template <class V>
struct has_perf<V, std::void_t<decltype(std::declval<V>().perf)>> : std::true_type {};

}  // namespace detail

/// `V` is the class that Verilator made.
template <class V>
class VerilatedPins : public fabric::PinModel {
 public:
  explicit VerilatedPins(const fabric::PinCounts& pins)
      : pins_(pins), context_(std::make_unique<VerilatedContext>()) {
    if (!detail::has_perf<V>::value) pins_.actors = 0;
    context_->traceEverOn(true);  // costs nothing until waves are recorded
    v_ = std::make_unique<V>(context_.get());
    quiet();
    v_->clk = 0;
    v_->rst_n = 0;
    v_->cfg_valid = 0;
    v_->start = 0;
    v_->eval();
  }
  ~VerilatedPins() override {
    stop_recording();
    v_->final();
    save_coverage(*context_);
  }

  const fabric::PinCounts& pins() const override { return pins_; }
  V& module() { return *v_; }

  void reset() override {
    constexpr unsigned kResetCycles = 2;
    quiet();
    v_->rst_n = 0;
    for (unsigned i = 0; i < kResetCycles; ++i) clock();
    v_->rst_n = 1;
  }

  void configure(const fabric::ConfigWords& words) override {
    v_->cfg_valid = 1;
    for (unsigned i = 0; i < words.size(); ++i) {
      detail::assign(v_->cfg_word, i);
      v_->cfg_data = words.at(4 * i);
      clock();
    }
    v_->cfg_valid = 0;
  }

  void start(const fabric::PinCredits& credits, fabric::PinOutputs& out) override {
    detail::clear(v_->out_init);
    detail::clear(v_->sout_init);
    for (unsigned o = 0; o < pins_.packet_out; ++o) {
      for (unsigned f = 0; f < pins_.flows; ++f) {
        detail::set(v_->out_init, 16 * (o * pins_.flows + f), 16, credits.out[o][f]);
      }
    }
    for (unsigned o = 0; o < pins_.scalar_out; ++o) {
      for (unsigned f = 0; f < pins_.scalar_flows; ++f) {
        detail::set(v_->sout_init, 16 * (o * pins_.scalar_flows + f), 16, credits.scalar_out[o][f]);
      }
    }
    v_->start = 1;
    clock();
    v_->start = 0;
    show(out);
  }

  void tick(const fabric::PinInputs& in, fabric::PinOutputs& out) override {
    if (waves_ && in.cycle > last_recorded_) stop_recording();
    if (waves_) {
      clock_with_waves(in);
    } else {
      drive(in);
      clock();
    }
    show(out);
  }

  /// Two steps of the waves' time are a cycle of the tile.
  bool record(const std::string& file, uint64_t last) override {
    stop_recording();
    last_recorded_ = last;
    next_recorded_ = kNotYet;
    waves_ = std::make_unique<VerilatedFstC>();
    v_->trace(waves_.get(), 99);
    waves_->open(file.c_str());
    if (!waves_->isOpen()) {
      waves_.reset();
      core::bad_input("cannot write the waves '" + file + "'");
    }
    return true;
  }
  void stop_recording() override {
    if (!waves_) return;
    waves_->close();
    waves_.reset();
  }

 private:
  /// All inputs that carry traffic to nothing.
  void quiet() {
    v_->in_valid = 0;
    detail::clear(v_->out_credit);
    v_->sin_valid = 0;
    detail::clear(v_->sout_credit);
    v_->tok_in = 0;
  }

  void drive(const fabric::PinInputs& in) {
    if (driven_) quiet();
    driven_ = (in.valid | in.credit | in.scalar_valid | in.scalar_credit | in.tokens) != 0;
    if (!driven_) return;
    detail::assign(v_->in_valid, in.valid);
    for (uint32_t left = in.valid; left != 0; left &= left - 1) {
      const auto n = static_cast<unsigned>(__builtin_ctz(left));
      std::memcpy(v_->in_data.data() + 16 * n, in.data[n], fabric::kPacketBytes);
      detail::set(v_->in_head, 40 * n, 40, in.head[n]);
    }
    for (uint32_t left = in.credit; left != 0; left &= left - 1) {
      const auto n = static_cast<unsigned>(__builtin_ctz(left));
      detail::set(v_->out_credit, n * pins_.flows, pins_.flows, in.out_credit[n]);
    }
    detail::assign(v_->sin_valid, in.scalar_valid);
    for (uint32_t left = in.scalar_valid; left != 0; left &= left - 1) {
      const auto n = static_cast<unsigned>(__builtin_ctz(left));
      detail::set(v_->sin_data, 32 * n, 32, in.scalar[n]);
      if constexpr (detail::has_sin_flow<V>::value) {
        detail::set(v_->sin_flow, 2 * n, 2, in.scalar_flow[n]);
      }
    }
    for (uint32_t left = in.scalar_credit; left != 0; left &= left - 1) {
      const auto n = static_cast<unsigned>(__builtin_ctz(left));
      detail::set(v_->sout_credit, n * pins_.scalar_flows, pins_.scalar_flows, in.sout_credit[n]);
    }
    detail::assign(v_->tok_in, in.tokens);
  }

  void clock() {
    v_->clk = 1;
    v_->eval();
    v_->clk = 0;
    v_->eval();
  }
  /// A cycle is what lies between two rising edges: its inputs have settled when the second comes. What that
  /// brings out belongs to the next cycle, which is shown at once: the clock may stand from then on.
  void clock_with_waves(const fabric::PinInputs& in) {
    if (in.cycle != next_recorded_) show_outputs(in.cycle);
    drive(in);
    v_->eval();
    waves_->dump(2 * in.cycle + 1);
    v_->clk = 1;
    v_->eval();
    next_recorded_ = in.cycle + 1;
    if (in.cycle < last_recorded_) waves_->dump(2 * next_recorded_);
    v_->clk = 0;
    v_->eval();
  }
  /// Of a cycle whose rising edge is over.
  void show_outputs(uint64_t cycle) {
    v_->clk = 1;  // seen by the waves alone
    waves_->dump(2 * cycle);
    v_->clk = 0;
  }

  void show(fabric::PinOutputs& out) {
    out.idle = v_->idle != 0;
    out.done = v_->done != 0;
    out.valid = v_->out_valid;
    for (uint32_t left = out.valid; left != 0; left &= left - 1) {
      const auto n = static_cast<unsigned>(__builtin_ctz(left));
      if (out.data[n]) std::memcpy(out.data[n], v_->out_data.data() + 16 * n, fabric::kPacketBytes);
      out.head[n] = detail::get(v_->out_head, 40 * n, 40);
    }
    if (detail::any(v_->in_credit)) {
      for (unsigned n = 0; n < pins_.packet_in; ++n) {
        out.in_credit[n] = static_cast<uint8_t>(detail::get(v_->in_credit, n * pins_.flows, pins_.flows));
        if (out.in_credit[n] != 0) out.credit |= 1u << n;
      }
    }
    out.scalar_valid = v_->sout_valid;
    for (uint32_t left = out.scalar_valid; left != 0; left &= left - 1) {
      const auto n = static_cast<unsigned>(__builtin_ctz(left));
      out.scalar[n] = static_cast<uint32_t>(detail::get(v_->sout_data, 32 * n, 32));
      out.scalar_flow[n] = 0;
      if constexpr (detail::has_sout_flow<V>::value) {
        out.scalar_flow[n] = static_cast<uint8_t>(detail::get(v_->sout_flow, 2 * n, 2));
      }
    }
    if (detail::any(v_->sin_credit)) {
      for (unsigned n = 0; n < pins_.scalar_in; ++n) {
        out.sin_credit[n] =
            static_cast<uint8_t>(detail::get(v_->sin_credit, n * pins_.scalar_flows, pins_.scalar_flows));
        if (out.sin_credit[n] != 0) out.scalar_credit |= 1u << n;
      }
    }
    out.tokens = static_cast<uint32_t>(v_->tok_out);
    if constexpr (detail::has_perf<V>::value) {
      if (detail::any(v_->perf)) {
        for (unsigned n = 0; n < pins_.actors; ++n) {
          const uint64_t did = detail::get(v_->perf, 20 * n, 20);
          if ((did & 1) == 0) continue;
          out.active |= 1u << n;
          out.activity[n] = {1,
                             (did >> 1 & 1) != 0,
                             (did >> 2 & 1) != 0,
                             (did >> 3 & 1) != 0,
                             (did >> 4 & 1) != 0,
                             (did >> 5 & 1) != 0,
                             static_cast<uint8_t>(did >> 6 & 0xf),
                             static_cast<uint16_t>(did >> 10)};
        }
      }
    }
  }

  fabric::PinCounts pins_;
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<V> v_;
  bool driven_ = false;  ///< an input pin is high
  static constexpr uint64_t kNotYet = ~uint64_t{0};
  std::unique_ptr<VerilatedFstC> waves_;
  uint64_t last_recorded_ = 0;        ///< cycle
  uint64_t next_recorded_ = kNotYet;  ///< cycle whose outputs are in the waves already
};

}  // namespace rdu::rtl
