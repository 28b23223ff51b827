#pragma once

namespace rdu::rtl {

/// Lets units of a tile have fidelity `rtl` in this process: the verilated PCU, PMU and switch. Before the
/// first tile is made.
void offer_units();

}  // namespace rdu::rtl
