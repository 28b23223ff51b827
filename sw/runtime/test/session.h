// A device, a context and a queue of librdu's for a test, over either transport to a fake device.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "rdu.h"
#include "runtime/device.h"
#include "runtime/handles.h"
#include "runtime/kernel_transport.h"
#include "runtime/test/fake_kernel.h"
#include "runtime/user_transport.h"
#include "test/catch.h"
#include "user/fake_device.h"

namespace rdu::runtime {

constexpr uint32_t kMs = 5000;

inline std::string last() {
  return rdu_last_error();
}

// What librdu logged in this test.
inline std::vector<std::string>& lines() {
  static std::vector<std::string> all;
  return all;
}

inline rdu_device* attach(std::unique_ptr<Transport> transport, Milliseconds timeout = Milliseconds{kMs}) {
  lines().clear();
  return new rdu_device{std::make_shared<Device>(std::move(transport), timeout,
                                                 [](const std::string& line) { lines().push_back(line); })};
}

inline std::unique_ptr<Transport> over_user_driver(user::FakeDevice& fake, Milliseconds timeout) {
  user::DeviceOptions options;
  options.timeout = options.command_timeout = timeout;
  return make_user_transport(std::make_unique<user::FakeBus>(fake), options);
}

inline std::unique_ptr<Transport> over_kernel(FakeKernel& kernel, Milliseconds timeout = Milliseconds{kMs}) {
  return make_kernel_transport([&kernel] { return kernel.open(); }, "/dev/rdu0", timeout);
}

struct Session {
  explicit Session(user::FakeDevice& fake, Milliseconds timeout = Milliseconds{kMs})
      : Session(attach(over_user_driver(fake, timeout), timeout)) {}
  explicit Session(FakeKernel& kernel) : Session(attach(over_kernel(kernel))) {}
  explicit Session(rdu_device* opened) : device(opened) {
    REQUIRE(rdu_context_create(device, 1 << 16, 1 << 16, &context) == RDU_OK);
    REQUIRE(rdu_queue_create(context, 8, &queue) == RDU_OK);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    rdu_queue_destroy(queue);
    rdu_context_destroy(context);
    rdu_close(device);
  }
  rdu_memory* memory(rdu_tier tier, uint64_t bytes) {
    rdu_memory* memory = nullptr;
    REQUIRE(rdu_mem_alloc(context, tier, bytes, &memory) == RDU_OK);
    return memory;
  }
  rdu_device* device = nullptr;
  rdu_context* context = nullptr;
  rdu_queue* queue = nullptr;
};

}  // namespace rdu::runtime
