#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

namespace rdu::fabric {

/// Which of its ports a configured unit uses, and how: what the networks have to know of it. Read off the
/// unit's words, so the same at every fidelity. Port numbers are the unit's own (PCU output 1, AGCU token
/// input 7).
///
/// `part` tells apart what goes on independently of each other in the unit (two programs of a PCU, load and
/// store of an AGCU): what takes packets of an input may wait for room in the outputs, and for packets of the
/// other inputs, of the same part.
struct PortUse {
  struct Output {
    unsigned port = 0;
    unsigned part = 0;
    unsigned flow = 0;          ///< into the switch
    bool is_dynamic = false;    ///< packets go to `destination`; flow does not count
    uint32_t destination = 0;   ///< as a packet's head has it
    bool has_sequence = false;  ///< packets carry first, first + step, ...; else 0
    uint16_t first = 0, step = 0;

    friend bool operator==(const Output& a, const Output& b) {
      return std::tie(a.port, a.part, a.flow, a.is_dynamic, a.destination, a.has_sequence, a.first, a.step) ==
             std::tie(b.port, b.part, b.flow, b.is_dynamic, b.destination, b.has_sequence, b.first, b.step);
    }
  };
  struct Input {
    unsigned port = 0;
    unsigned part = 0;
    bool any_order = false;  ///< what becomes of a packet depends on its sequence id, not on when it comes

    friend bool operator==(const Input& a, const Input& b) {
      return a.port == b.port && a.part == b.part && a.any_order == b.any_order;
    }
  };

  std::vector<Output> outputs;
  std::vector<Input> inputs;
  std::vector<Output> scalar_outputs;  ///< flow alone counts
  std::vector<Input> scalar_inputs;
  std::vector<Output> token_outputs;  ///< no flow
  std::vector<Input> token_inputs;

  friend bool operator==(const PortUse& a, const PortUse& b) {
    return std::tie(a.outputs, a.inputs, a.scalar_outputs, a.scalar_inputs, a.token_outputs,
                    a.token_inputs) ==
           std::tie(b.outputs, b.inputs, b.scalar_outputs, b.scalar_inputs, b.token_outputs, b.token_inputs);
  }
};

}  // namespace rdu::fabric
