#include "runtime/user_transport.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "runtime/error.h"
#include "user/device.h"
#include "user/errors.h"
#include "user/status.h"
#include "user/vfio_user_bus.h"

namespace rdu::runtime {

namespace {

rdu_result result_of(user::DeviceError::Kind kind) {
  switch (kind) {
    case user::DeviceError::Kind::kIncompatible:
      return RDU_ERROR_INCOMPATIBLE;
    case user::DeviceError::Kind::kFirmware:
      return RDU_ERROR_FIRMWARE;
    case user::DeviceError::Kind::kProtocol:
      return RDU_ERROR_PROTOCOL;
  }
  return RDU_ERROR_INTERNAL;
}

rdu_result result_of_refusal(uint16_t status) {
  switch (status) {
    case RDU_STATUS_NO_MEMORY:
      return RDU_ERROR_NO_MEMORY;
    case RDU_STATUS_NO_RESOURCE:
      return RDU_ERROR_NO_RESOURCE;
    case RDU_STATUS_IN_USE:
      return RDU_ERROR_IN_USE;
    default:
      return RDU_ERROR_REJECTED;
  }
}

// Runs `call` and turns what the driver throws into Error. A time-out means different things: nobody there,
// a firmware that does not answer, a queue without room.
template <typename Call>
auto translate(rdu_result timeout_means, Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const user::DeviceLost& error) {
    throw Error(RDU_ERROR_DEVICE_LOST, error.what());
  } catch (const user::Timeout& error) {
    throw Error(timeout_means, error.what());
  } catch (const user::VfioUserError& error) {
    throw Error(RDU_ERROR_PROTOCOL, error.what());
  } catch (const user::DeviceError& error) {
    throw Error(result_of(error.kind()), error.what());
  } catch (const user::CommandError& error) {
    throw Error(result_of_refusal(error.status()), error.what());
  } catch (const std::bad_alloc&) {
    throw Error(RDU_ERROR_NO_MEMORY, "out of host memory or bus addresses");
  } catch (const std::system_error& error) {
    throw Error(RDU_ERROR_NO_MEMORY, error.what());
  }
}

class UserPinnedMemory : public PinnedMemory {
 public:
  explicit UserPinnedMemory(user::DmaBuffer buffer) : buffer_(std::move(buffer)) {}
  uint8_t* data() const override { return buffer_.data(); }
  uint64_t address() const override { return RDU_VA(RDU_SEGMENT_HOST, buffer_.bus_address()); }

 private:
  user::DmaBuffer buffer_;
};

class UserSubmission : public Submission {
 public:
  UserSubmission(user::QueuePair& pair, std::shared_ptr<user::Command> command)
      : pair_(pair), command_(std::move(command)) {}

  uint64_t number() const override { return command_->number(); }
  bool wait(Milliseconds timeout) override {
    return translate(RDU_ERROR_TIMEOUT, [&] { return pair_.wait(*command_, timeout); });
  }
  Completion completion() const override {
    const user::Completion& c = pair_.completion(*command_);
    return {c.status, c.result, c.start_ns, c.end_ns};
  }

 private:
  user::QueuePair& pair_;
  std::shared_ptr<user::Command> command_;
};

class UserQueue : public CommandQueue {
 public:
  explicit UserQueue(std::unique_ptr<user::DeviceQueue> queue) : queue_(std::move(queue)) {}

  uint32_t id() const override { return queue_->pair().id(); }
  std::shared_ptr<Submission> submit(const rdu_sqe& sqe, Milliseconds timeout) override {
    return translate(RDU_ERROR_TIMEOUT, [&] {
      return std::make_shared<UserSubmission>(queue_->pair(), queue_->pair().submit(sqe, timeout));
    });
  }
  bool wait_below(uint64_t number, Milliseconds timeout) override {
    return translate(RDU_ERROR_TIMEOUT, [&] { return queue_->pair().wait_below(number, timeout); });
  }
  uint64_t submitted() override { return queue_->pair().submitted(); }
  void hold() override { queue_->pair().hold(); }
  void release() override {
    translate(RDU_ERROR_TIMEOUT, [&] { queue_->pair().release(); });
  }

 private:
  std::unique_ptr<user::DeviceQueue> queue_;
};

class UserTransport : public Transport {
 public:
  explicit UserTransport(std::unique_ptr<user::Device> device) : device_(std::move(device)) {}

  const rdu_identify& identity() const override { return device_->identity(); }
  uint32_t interface_version() const override { return device_->interface_version(); }
  uint32_t max_entries() const override { return device_->max_entries(); }
  uint64_t device_time() override {
    return translate(RDU_ERROR_FIRMWARE, [&] { return device_->timestamp(); });
  }
  uint32_t create_context(uint64_t hbm_bytes, uint64_t ddr_bytes) override {
    return translate(RDU_ERROR_FIRMWARE, [&] { return device_->create_context(hbm_bytes, ddr_bytes); });
  }
  void delete_context(uint32_t context) override {
    translate(RDU_ERROR_FIRMWARE, [&] { device_->delete_context(context); });
  }
  std::unique_ptr<CommandQueue> create_queue(uint32_t context, uint32_t entries) override {
    return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<CommandQueue> {
      return std::make_unique<UserQueue>(device_->create_queue(context, entries));
    });
  }
  std::unique_ptr<PinnedMemory> pin(uint64_t bytes) override {
    return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<PinnedMemory> {
      return std::make_unique<UserPinnedMemory>(device_->allocate(bytes));
    });
  }
  std::vector<uint8_t> read_log(uint32_t page) override {
    return translate(RDU_ERROR_FIRMWARE, [&] { return device_->read_log(page); });
  }
  std::string explain(uint8_t opcode, const Completion& completion) const override {
    return user::status_text(opcode, completion.status, completion.result);
  }

 private:
  std::unique_ptr<user::Device> device_;
};

}  // namespace

std::unique_ptr<Transport> make_user_transport(std::unique_ptr<user::Bus> bus, user::DeviceOptions options) {
  return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<Transport> {
    return std::make_unique<UserTransport>(
        std::make_unique<user::Device>(std::move(bus), std::move(options)));
  });
}

std::unique_ptr<Transport> open_transport(const std::string& address, Milliseconds timeout,
                                          std::function<void(const std::string&)> log) {
  const std::string scheme = "unix:";
  const std::string path = address.rfind(scheme, 0) == 0 ? address.substr(scheme.size()) : address;
  if (path.empty() || (path == address && address.find(':') < address.find('/')))
    throw Error(RDU_ERROR_INVALID_ARGUMENT, "'" + address + "' is no device address; expected unix:PATH");
  const auto start = std::chrono::steady_clock::now();
  auto bus = translate(RDU_ERROR_NO_DEVICE, [&] {
    user::ClientOptions options;
    options.connect_timeout = timeout;
    options.request_timeout = timeout;
    options.log = log;
    return std::make_unique<user::VfioUserBus>(path, options);
  });
  const auto passed = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - start);
  user::DeviceOptions options;
  options.timeout = std::max(timeout - passed, Milliseconds{1});
  options.command_timeout = timeout;
  options.log = std::move(log);
  return make_user_transport(std::move(bus), std::move(options));
}

}  // namespace rdu::runtime
