#pragma once

#include "cosim/dut_plugin.h"
#include "pins/verilated_pins.h"
#include "pins/verilated_pmu.h"

/// What rdu_cosim_dut() compiles into a DUT library, once: a verilated class as a plug-in.
namespace rdu::cosim::detail {

/// A switch has its place as an input, which never changes.
template <class V, class = void>
struct has_here : std::false_type {};
template <class V>
struct has_here<V, std::void_t<decltype(std::declval<V>().here)>> : std::true_type {};

template <class V>
fabric::PinModel* make(const fabric::PinCounts& pins, unsigned row, unsigned column, fabric::Scratchpad*) {
  auto* made = new rtl::VerilatedPins<V>(pins);
  if constexpr (has_here<V>::value) made->module().here = static_cast<uint16_t>(column | row << 8);
  return made;
}

template <class V, class Memory>
fabric::PinModel* make_pmu(const fabric::PinCounts& pins, unsigned, unsigned, fabric::Scratchpad* memory) {
  return new rtl::VerilatedPmu<V, Memory>(pins, *memory);
}

inline DutPlugin plugin(const char* unit, const char* name, const char* numbers,
                        decltype(DutPlugin::make) make) {
  return {DutPlugin::kVersion,
          sizeof(fabric::PinInputs),
          sizeof(fabric::PinOutputs),
          sizeof(fabric::Scratchpad),
          unit,
          name,
          numbers,
          make};
}

}  // namespace rdu::cosim::detail

#define RDU_COSIM_DUT(unit, name, numbers, make)                                                       \
  extern "C" __attribute__((visibility("default"))) const rdu::cosim::DutPlugin* rdu_cosim_dut() {     \
    static const rdu::cosim::DutPlugin plugin = rdu::cosim::detail::plugin(unit, name, numbers, make); \
    return &plugin;                                                                                    \
  }
