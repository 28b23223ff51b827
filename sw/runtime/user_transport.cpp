#include "runtime/user_transport.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/context.h"
#include "runtime/error.h"
#include "runtime/segments.h"
#include "runtime/translate.h"
#include "user/device.h"
#include "user/vfio_user_bus.h"

namespace rdu::runtime {

namespace {

class UserHostMemory : public Allocation {
 public:
  explicit UserHostMemory(user::DmaBuffer buffer) : buffer_(std::move(buffer)) {}
  uint64_t address() const override { return RDU_VA(RDU_SEGMENT_HOST, buffer_.bus_address()); }
  uint8_t* map() override { return buffer_.data(); }
  void unmap() noexcept override {}

 private:
  user::DmaBuffer buffer_;
};

class UserContext : public TransportContext, private SegmentView {
 public:
  UserContext(user::Device& device, uint64_t hbm_bytes, uint64_t ddr_bytes)
      : device_(device),
        segments_(*this, hbm_bytes, ddr_bytes),
        id_(device.create_context(hbm_bytes, ddr_bytes)) {}

  uint32_t id() const override { return id_; }
  Room room(rdu_tier tier) override { return segments_.room(tier); }

  std::unique_ptr<Allocation> allocate(rdu_tier tier, uint64_t bytes) override {
    if (tier != RDU_TIER_HOST) return segments_.allocate(tier, bytes);
    return translate(RDU_ERROR_FIRMWARE, [&]() -> std::unique_ptr<Allocation> {
      return std::make_unique<UserHostMemory>(device_.allocate(bytes));
    });
  }

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
  static user::Windows::Of of(rdu_tier tier) {
    return tier == RDU_TIER_HBM ? user::Windows::Of::kHbm : user::Windows::Of::kDdr;
  }

  uint8_t* map(rdu_tier tier, uint64_t offset, uint64_t bytes) override {
    return translate(RDU_ERROR_FIRMWARE, [&] {
      if (!device_.windows().exist())
        throw Error(RDU_ERROR_UNSUPPORTED, "the device has no windows (BAR2) onto its memory");
      uint8_t* const data = device_.windows().map(of(tier), base(tier) + offset, bytes);
      if (data == nullptr)
        throw Error(
            RDU_ERROR_NO_RESOURCE,
            fmt::format("no window onto the device's memory is free for {} bytes of {}; unmap others, "
                        "or copy",
                        bytes, tier_name(tier)));
      return data;
    });
  }

  void unmap(rdu_tier tier, uint64_t offset, uint64_t bytes, uint8_t*) noexcept override {
    try {
      device_.windows().unmap(of(tier), base(tier) + offset, bytes);
    } catch (const std::exception&) {
      // The device is lost, and its windows with it.
    }
  }

  // Where the context's HBM or DDR begins in the device's. Asked for once, and under the lock of segments_.
  uint64_t base(rdu_tier tier) {
    std::optional<uint64_t>& base = tier == RDU_TIER_HBM ? hbm_base_ : ddr_base_;
    if (!base) base = device_.context_base(id_, of(tier));
    return *base;
  }

  user::Device& device_;
  std::optional<uint64_t> hbm_base_, ddr_base_;
  Segments segments_;
  uint32_t id_;
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
