#include "runtime/user_transport.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/context.h"
#include "runtime/error.h"
#include "runtime/translate.h"
#include "user/device.h"
#include "user/range_allocator.h"
#include "user/vfio_user_bus.h"

namespace rdu::runtime {

namespace {

uint64_t segment_base(rdu_tier tier) {
  return RDU_VA(tier == RDU_TIER_HBM ? RDU_SEGMENT_HBM : RDU_SEGMENT_DDR, 0);
}

class UserHostMemory : public Allocation {
 public:
  explicit UserHostMemory(user::DmaBuffer buffer) : buffer_(std::move(buffer)) {}
  uint64_t address() const override { return RDU_VA(RDU_SEGMENT_HOST, buffer_.bus_address()); }
  uint8_t* map() override { return buffer_.data(); }
  void unmap() noexcept override {}

 private:
  user::DmaBuffer buffer_;
};

class UserContext : public TransportContext {
 public:
  UserContext(user::Device& device, uint64_t hbm_bytes, uint64_t ddr_bytes)
      : device_(device),
        hbm_(0, hbm_bytes, RDU_MEMORY_ALIGNMENT),
        ddr_(0, ddr_bytes, RDU_MEMORY_ALIGNMENT),
        id_(device.create_context(hbm_bytes, ddr_bytes)) {}

  uint32_t id() const override { return id_; }

  Room room(rdu_tier tier) override {
    std::lock_guard lock(mutex_);
    const user::RangeAllocator& range = this->range(tier);
    return {range.available(), range.largest()};
  }

  std::unique_ptr<Allocation> allocate(rdu_tier tier, uint64_t bytes) override;

  // What the simulator is to reach must be a file that it can map.
  std::unique_ptr<Allocation> pin(void*, uint64_t) override { return nullptr; }

  std::unique_ptr<user::CommandStream> create_queue(uint32_t entries) override {
    return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<user::CommandStream> {
      return device_.create_queue(id_, entries);
    });
  }

  void destroy() override {
    translate(RDU_ERROR_FIRMWARE, [&] { device_.delete_context(id_); });
  }

 private:
  class DeviceMemory;
  user::RangeAllocator& range(rdu_tier tier) { return tier == RDU_TIER_HBM ? hbm_ : ddr_; }

  user::Device& device_;
  std::mutex mutex_;  // of the two
  user::RangeAllocator hbm_, ddr_;
  uint32_t id_;
};

class UserContext::DeviceMemory : public Allocation {
 public:
  DeviceMemory(UserContext& context, rdu_tier tier, uint64_t offset)
      : context_(context), tier_(tier), offset_(offset) {}
  ~DeviceMemory() override {
    std::lock_guard lock(context_.mutex_);
    context_.range(tier_).free(offset_);
  }
  uint64_t address() const override { return segment_base(tier_) + offset_; }
  uint8_t* map() override {
    throw Error(
        RDU_ERROR_UNSUPPORTED,
        fmt::format("{} cannot be mapped: the device has no window onto its memory", tier_name(tier_)));
  }
  void unmap() noexcept override {}

 private:
  UserContext& context_;
  rdu_tier tier_;
  uint64_t offset_;
};

std::unique_ptr<Allocation> UserContext::allocate(rdu_tier tier, uint64_t bytes) {
  if (tier == RDU_TIER_HOST) {
    return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<Allocation> {
      return std::make_unique<UserHostMemory>(device_.allocate(bytes));
    });
  }
  std::lock_guard lock(mutex_);
  user::RangeAllocator& range = this->range(tier);
  const auto offset = range.allocate(bytes);
  if (!offset)
    throw Error(RDU_ERROR_NO_MEMORY,
                fmt::format("the context's {} has no room for {} bytes: {} are free, {} in one piece",
                            tier_name(tier), bytes, range.available(), range.largest()));
  return std::make_unique<DeviceMemory>(*this, tier, *offset);
}

class UserTransport : public Transport {
 public:
  explicit UserTransport(std::unique_ptr<user::Device> device) : device_(std::move(device)) {}

  const rdu_identify& identity() const override { return device_->identity(); }
  uint32_t interface_version() const override { return device_->interface_version(); }
  uint32_t max_entries() const override { return device_->max_entries(); }
  uint64_t device_time() override {
    return translate(RDU_ERROR_FIRMWARE, [&] { return device_->timestamp(); });
  }
  std::unique_ptr<TransportContext> create_context(uint64_t hbm_bytes, uint64_t ddr_bytes) override {
    return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<TransportContext> {
      return std::make_unique<UserContext>(*device_, hbm_bytes, ddr_bytes);
    });
  }
  std::vector<uint8_t> read_log(uint32_t page) override {
    return translate(RDU_ERROR_FIRMWARE, [&] { return device_->read_log(page); });
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

std::unique_ptr<Transport> open_user_transport(const std::string& path, Milliseconds timeout,
                                               std::function<void(const std::string&)> log) {
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
