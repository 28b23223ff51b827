#include "runtime/test/fake_kernel.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "driver/linux/rdu_ioctl.h"
#include "user/errors.h"

namespace rdu::runtime {

using user::Milliseconds;

namespace {

constexpr uint64_t kPage = 4096;

template <typename T>
T* pointer(uint64_t value) {
  return reinterpret_cast<T*>(static_cast<uintptr_t>(value));
}

int errno_of(uint16_t status) {
  switch (status) {
    case RDU_STATUS_NO_MEMORY:
      return ENOMEM;
    case RDU_STATUS_NO_RESOURCE:
      return ENOSPC;
    default:
      return EINVAL;
  }
}

}  // namespace

// A queue, with a thread for the interrupt.
class FakeKernel::Queue {
 public:
  Queue(std::unique_ptr<user::DeviceQueue> queue, int eventfd)
      : queue_(std::move(queue)), eventfd_(::dup(eventfd)) {
    queue_->listen(eventfd_);
    interrupts_ = std::thread([this] { serve(); });
  }
  ~Queue() {
    stop_ = true;
    interrupts_.join();
    queue_->unlisten(eventfd_);
    queue_->close();
    ::close(eventfd_);
  }

  uint32_t id() const { return queue_->id(); }
  void raise() {
    const uint64_t one = 1;
    if (::write(eventfd_, &one, sizeof one) < 0) return;
  }

  int submit(rdu_ioc_submit& submit) {
    const auto* commands = pointer<const rdu_sqe>(submit.commands);
    const Milliseconds timeout{submit.timeout_ns / 1'000'000};
    uint32_t done = 0;
    try {
      queue_->hold();
      for (; done < submit.count; ++done) {
        // Completions that nobody has fetched take room.
        if (in_flight_.size() == queue_->entries() - 1) break;
        in_flight_.push_back(queue_->submit(commands[done], done == 0 ? timeout : Milliseconds{0}));
        if (done == 0) submit.first_number = in_flight_.back()->number();
      }
      queue_->release();
    } catch (const user::Timeout&) {
      queue_->release();
    }
    submit.count = done;
    return done == 0 ? EAGAIN : 0;
  }

  int completions(rdu_ioc_completions& take) {
    auto* to = pointer<rdu_completion>(take.completions);
    Milliseconds timeout{take.timeout_ns / 1'000'000};
    uint32_t done = 0;
    for (; done < take.count && !in_flight_.empty(); ++done) {
      const auto& command = in_flight_.front();
      if (!queue_->wait(*command, std::exchange(timeout, Milliseconds{0}))) break;
      const user::Completion& c = queue_->completion(*command);
      to[done] = {command->number(), c.result, c.start_ns, c.end_ns, c.status, command->opcode(), 0};
      in_flight_.pop_front();
    }
    take.count = done;
    return done != 0 ? 0 : lost_ ? ENODEV : ETIMEDOUT;
  }

 private:
  void serve() {
    while (!stop_) {
      pollfd set[2] = {{queue_->interrupt_fd(), POLLIN, 0}, {queue_->loss_fd(), POLLIN, 0}};
      ::poll(set, 2, 5);
      try {
        queue_->look();
      } catch (const user::DeviceLost&) {
        lost_ = true;
        raise();
        return;
      }
    }
  }

  std::unique_ptr<user::DeviceQueue> queue_;
  int eventfd_;
  std::deque<std::shared_ptr<user::Command>> in_flight_;
  std::atomic<bool> stop_{false}, lost_{false};
  std::thread interrupts_;
};

class FakeKernel::File : public KernelFile {
 public:
  explicit File(FakeKernel& kernel) : kernel_(kernel), born_(kernel.resets_) { ++kernel_.files_; }
  ~File() override {
    queues_.clear();
    while (!objects_.empty()) free(objects_.begin()->first);
    if (context_ != 0 && born_ == kernel_.resets_) {
      try {
        kernel_.device_->delete_context(context_);
      } catch (const std::exception&) {
        // The device is gone.
      }
    }
    --kernel_.files_;
  }

  int control(unsigned long request, void* argument) override {
    std::lock_guard lock(mutex_);
    if (kernel_.on_control)
      if (const int error = kernel_.on_control(request)) return error;
    const bool about_device = request == RDU_IOC_INFO || request == RDU_IOC_ADMIN;
    if (!about_device && born_ != kernel_.resets_) return EIO;
    try {
      switch (request) {
        case RDU_IOC_INFO:
          return info(*static_cast<rdu_ioc_info*>(argument));
        case RDU_IOC_CONTEXT:
          return context(*static_cast<rdu_ioc_context*>(argument));
        case RDU_IOC_MEMORY:
          return memory(*static_cast<rdu_ioc_memory*>(argument));
        case RDU_IOC_MEMORY_FREE:
          return free(static_cast<rdu_ioc_handle*>(argument)->handle);
        case RDU_IOC_QUEUE:
          return queue(*static_cast<rdu_ioc_queue*>(argument));
        case RDU_IOC_QUEUE_FREE:
          return queues_.erase(static_cast<rdu_ioc_handle*>(argument)->handle) != 0 ? 0 : ENOENT;
        case RDU_IOC_SUBMIT: {
          auto& submit = *static_cast<rdu_ioc_submit*>(argument);
          const auto q = queues_.find(submit.handle);
          return q == queues_.end() ? ENOENT : q->second->submit(submit);
        }
        case RDU_IOC_COMPLETIONS: {
          auto& take = *static_cast<rdu_ioc_completions*>(argument);
          const auto q = queues_.find(take.handle);
          return q == queues_.end() ? ENOENT : q->second->completions(take);
        }
        case RDU_IOC_ADMIN:
          return admin(*static_cast<rdu_ioc_admin*>(argument));
        default:
          return ENOTTY;
      }
    } catch (const user::DeviceLost&) {
      return ENODEV;
    } catch (const user::CommandError& error) {
      return errno_of(error.status());
    }
  }

  int map(uint64_t offset, uint64_t bytes, uint8_t** data) override {
    std::lock_guard lock(mutex_);
    if (kernel_.mapped_ == static_cast<int>(kernel_.windows)) return EBUSY;
    *data = kernel_.fake_.at(context_, offset, bytes);
    if (*data == nullptr) return EINVAL;
    ++kernel_.mapped_;
    return 0;
  }
  void unmap(uint8_t*, uint64_t) noexcept override { --kernel_.mapped_; }

 private:
  struct Object {
    uint32_t type;
    uint64_t offset;  // in its segment
  };

  int info(rdu_ioc_info& info) {
    info.uapi_version = RDU_UAPI_VERSION;
    info.interface_version = kernel_.device_->interface_version();
    info.max_entries = kernel_.device_->max_entries();
    info.time_ns = kernel_.device_->timestamp();
    info.resets = kernel_.resets_;
    if (info.identify != 0)
      std::memcpy(pointer<void>(info.identify), &kernel_.device_->identity(),
                  std::min<size_t>(info.identify_bytes, sizeof(rdu_identify)));
    info.identify_bytes = sizeof(rdu_identify);
    return 0;
  }

  int context(rdu_ioc_context& context) {
    if (context_ != 0) return EEXIST;
    context.context = context_ = kernel_.device_->create_context(context.hbm_bytes, context.ddr_bytes);
    hbm_ = std::make_unique<user::RangeAllocator>(0, context.hbm_bytes, kPage);
    ddr_ = std::make_unique<user::RangeAllocator>(0, context.ddr_bytes, kPage);
    return 0;
  }

  user::RangeAllocator& range(uint32_t type) {
    return type == RDU_MEMORY_HBM ? *hbm_ : type == RDU_MEMORY_DDR ? *ddr_ : kernel_.host_addresses_;
  }

  int memory(rdu_ioc_memory& object) {
    if (context_ == 0) return ENXIO;
    if (object.type < RDU_MEMORY_HBM || object.type > RDU_MEMORY_HOST || object.bytes == 0) return EINVAL;
    const bool host = object.type == RDU_MEMORY_HOST;
    if (host && (object.user % kPage != 0 || object.bytes % kPage != 0)) return EINVAL;
    std::lock_guard lock(kernel_.mutex_);
    const auto offset = range(object.type).allocate(object.bytes);
    if (!offset) return ENOMEM;
    if (host) kernel_.fake_.share(*offset, pointer<uint8_t>(object.user), object.bytes);
    object.handle = next_++;
    object.address = RDU_VA(object.type == RDU_MEMORY_HBM   ? RDU_SEGMENT_HBM
                            : object.type == RDU_MEMORY_DDR ? RDU_SEGMENT_DDR
                                                            : RDU_SEGMENT_HOST,
                            *offset);
    object.mmap_offset = host ? 0 : object.address;
    objects_[object.handle] = {object.type, *offset};
    ++kernel_.objects_;
    return 0;
  }

  int free(uint32_t handle) {
    const auto found = objects_.find(handle);
    if (found == objects_.end()) return ENOENT;
    std::lock_guard lock(kernel_.mutex_);
    if (found->second.type == RDU_MEMORY_HOST) kernel_.fake_.unshare(found->second.offset);
    range(found->second.type).free(found->second.offset);
    objects_.erase(found);
    --kernel_.objects_;
    return 0;
  }

  int queue(rdu_ioc_queue& queue) {
    if (context_ == 0) return ENXIO;
    auto made =
        std::make_unique<Queue>(kernel_.device_->create_queue(context_, queue.entries), queue.eventfd);
    queue.queue = made->id();
    queue.handle = next_++;
    queues_[queue.handle] = std::move(made);
    return 0;
  }

  int admin(rdu_ioc_admin& admin) {
    if (admin.opcode != RDU_ADMIN_READ_LOG) return EOPNOTSUPP;
    try {
      const auto page = kernel_.device_->read_log(static_cast<uint32_t>(admin.arg[0]));
      const uint64_t offset = std::min<uint64_t>(admin.arg[3], page.size());
      const uint64_t bytes = std::min<uint64_t>({admin.arg[2], admin.bytes, page.size() - offset});
      if (bytes != 0) std::memcpy(pointer<void>(admin.data), page.data() + offset, bytes);
      admin.result = page.size();
      admin.status = RDU_STATUS_OK;
    } catch (const user::CommandError& error) {
      admin.status = error.status();
    }
    return 0;
  }

  FakeKernel& kernel_;
  const uint64_t born_;
  std::mutex mutex_;
  uint32_t context_ = 0;
  uint32_t next_ = 1;
  std::unique_ptr<user::RangeAllocator> hbm_, ddr_;
  std::map<uint32_t, Object> objects_;
  std::map<uint32_t, std::unique_ptr<Queue>> queues_;
};

FakeKernel::FakeKernel(user::FakeDevice& device)
    : fake_(device),
      device_(std::make_unique<user::Device>(std::make_unique<user::FakeBus>(device), user::DeviceOptions{})),
      host_addresses_(1ull << 33, 1ull << 33, kPage) {}

FakeKernel::~FakeKernel() = default;

std::unique_ptr<KernelFile> FakeKernel::open() {
  return std::make_unique<File>(*this);
}

void FakeKernel::reset() {
  ++resets_;
}

}  // namespace rdu::runtime
