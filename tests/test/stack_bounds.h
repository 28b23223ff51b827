#pragma once

/// SystemC 2.3.4 tells the address sanitizer about its threads' stacks, but not which stack it comes back to.
/// After the first sc_start() an exception on the main stack would then be reported as a wild access. Call
/// this after sc_start() in tests that throw later; without the sanitizer it does nothing.

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace rdu::test {

inline void restore_stack_bounds() {
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  void* bottom = nullptr;
  size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &bottom, &size);
  pthread_attr_destroy(&attributes);
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, bottom, size);
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

}  // namespace rdu::test
