#pragma once

/// SystemC's sockets with many partners, for routers; heavier than core/systemc.h, so include it in sources.

#include "core/systemc.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wdeprecated-copy"
#endif
#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/multi_passthrough_target_socket.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
