#pragma once

#include <functional>
#include <memory>

#include "fabric/stream/pins.h"

namespace rdu::rtl::test {

/// Holds a switch against the pseudo-code of its page (models/fabric/switch/README.md): every pin in every
/// cycle, on random configurations and traffic. For any implementation behind the port list, with the default
/// depths; `make` places it. `restarts`: now and then it is started without a reset, which Verilog stands.
void hold_against_the_page(
    bool restarts,
    const std::function<std::unique_ptr<fabric::PinModel>(unsigned row, unsigned column)>& make);

}  // namespace rdu::rtl::test
