#pragma once

/// The one place that includes SystemC, so that differences between its releases (2.3.4, 3.0) stay here.

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wdeprecated-copy"
#endif
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>
#include <systemc>
#include <tlm>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
