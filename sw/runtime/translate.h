// What the user-space driver throws, as Error.
#pragma once

#include "rdu.h"
#include "runtime/error.h"

namespace rdu::runtime {

// Rethrows the exception that is being handled. A time-out means different things: nobody there, a firmware
// that does not answer, a queue without room.
[[noreturn]] void rethrow(rdu_result timeout_means);

template <typename Call>
auto translate(rdu_result timeout_means, Call call) -> decltype(call()) {
  try {
    return call();
  } catch (...) {
    rethrow(timeout_means);
  }
}

}  // namespace rdu::runtime
