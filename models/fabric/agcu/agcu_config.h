#pragma once

#include <cstdint>

#include "fabric/config.h"
#include "fabric/counters.h"
#include "fabric/switch/port_use.h"

namespace rdu::fabric {

/// What an AGCU's configuration words say, checked.
struct AgcuConfig {
  /// Rows of memory that a generator walks through.
  struct Rows {
    uint64_t base = 0;
    uint64_t bytes = 0;  ///< of a row
    Counters<6> counters;
    uint64_t count = 0;  ///< rows

    uint64_t packets() const { return (bytes + 63) / 64; }  ///< of a row
  };

  static constexpr unsigned kTokenInputs = 8;

  bool load = false;
  unsigned out_flow = 0;
  Rows load_rows;
  bool store = false;
  bool done_token = false;
  Rows store_rows;
  uint8_t tokens = 0;  ///< token inputs that must each receive one; on the master only

  bool used() const { return load || store || tokens != 0; }

  /// What it uses of its ports.
  PortUse ports() const;

  /// Throws BadConfig.
  static AgcuConfig decode(const ConfigWords& words, bool is_master);
};

}  // namespace rdu::fabric
