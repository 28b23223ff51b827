#pragma once

#include "platform/options.h"

namespace rdu::platform {

/// `rduvp` as the card: a whole socket that boots its firmware and serves a host over vfio-user. Gives the
/// exit status; throws what goes wrong.
int run_card(const Options& options);

}  // namespace rdu::platform
