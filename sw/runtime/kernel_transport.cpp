#include "runtime/kernel_transport.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>
#include <utility>

#include "driver/linux/rdu_ioctl.h"
#include "runtime/context.h"
#include "runtime/error.h"
#include "runtime/segments.h"
#include "user/status.h"

namespace rdu::runtime {

namespace {

constexpr uint64_t kLogPiece = 64 * 1024;  // what RDU_IOC_ADMIN takes at most

uint64_t page_size() {
  static const auto size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

uint64_t whole_pages(uint64_t bytes) {
  return (bytes + page_size() - 1) / page_size() * page_size();
}

uint64_t pointer_value(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

// What an errno value of the driver means. `what` was being done.
Error error_of(int error, const std::string& what) {
  switch (error) {
    case ENODEV:
      return {RDU_ERROR_DEVICE_LOST, what + ": the device is gone"};
    case EIO:
      return {RDU_ERROR_DEVICE_LOST,
              what + ": the device was reset, and the context with it; close it and open it again"};
    case ETIMEDOUT:
    case EAGAIN:
      return {RDU_ERROR_TIMEOUT, what + ": not within the time"};
    case ENOSPC:
      return {RDU_ERROR_NO_RESOURCE, what + ": all of the device's are in use"};
    case ENOMEM:
      return {RDU_ERROR_NO_MEMORY, what + ": not enough memory"};
    case EPERM:
    case EACCES:
      return {RDU_ERROR_PERMISSION, what + ": that is for the system's administrator (CAP_SYS_ADMIN)"};
    case EOPNOTSUPP:
      return {RDU_ERROR_UNSUPPORTED, what + ": not offered by the kernel driver"};
    case ENOTTY:
      return {RDU_ERROR_INCOMPATIBLE, what + ": no node of the RDU driver, or of an older one"};
    case EINVAL:
    case EFAULT:
    case ENOENT:
    case ENXIO:
    case EEXIST:
      return {RDU_ERROR_INTERNAL, fmt::format("{}: the kernel driver says: {}", what, std::strerror(error))};
    default:
      return {RDU_ERROR_PROTOCOL, fmt::format("{}: {}", what, std::strerror(error))};
  }
}

void control(KernelFile& file, unsigned long request, void* argument, const std::string& what) {
  if (const int error = file.control(request, argument)) throw error_of(error, what);
}

// A memory object of the kernel driver.
class KernelObject {
 public:
  KernelObject(KernelFile& file, const rdu_ioc_memory& object) : file_(file), object_(object) {}
  KernelObject(const KernelObject&) = delete;
  KernelObject& operator=(const KernelObject&) = delete;
  ~KernelObject() {
    rdu_ioc_handle handle{object_.handle, 0};
    file_.control(RDU_IOC_MEMORY_FREE, &handle);  // fails only if the context is lost already
  }
  uint64_t address() const { return object_.address; }
  uint64_t mmap_offset() const { return object_.mmap_offset; }

 private:
  KernelFile& file_;
  rdu_ioc_memory object_;
};

// Pages of the process, entered into the context's page table.
class KernelHostMemory : public Allocation {
 public:
  KernelHostMemory(KernelFile& file, uint8_t* data, uint64_t bytes, int* error) : data_(data) {
    const uint64_t first = pointer_value(data) / page_size() * page_size();
    rdu_ioc_memory object{};
    object.type = RDU_MEMORY_HOST;
    object.user = first;
    object.bytes = whole_pages(pointer_value(data) + bytes - first);
    *error = file.control(RDU_IOC_MEMORY, &object);
    if (*error != 0) return;
    address_ = object.address + (pointer_value(data) - first);
    object_ = std::make_unique<KernelObject>(file, object);
  }

  uint64_t address() const override { return address_; }
  uint8_t* map() override { return data_; }
  void unmap() noexcept override {}

 private:
  uint8_t* data_;
  uint64_t address_ = 0;
  std::unique_ptr<KernelObject> object_;
};

// Pages that the library itself has got from the system.
class Pages {
 public:
  explicit Pages(uint64_t bytes) : bytes_(whole_pages(bytes)) {
    void* const place = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
      throw Error(RDU_ERROR_NO_MEMORY,
                  fmt::format("{} bytes of host memory: {}", bytes, std::strerror(errno)));
    data_ = static_cast<uint8_t*>(place);
    // A child that is forked must not take the pages that the device writes.
    ::madvise(data_, bytes_, MADV_DONTFORK);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { ::munmap(data_, bytes_); }
  uint8_t* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_;
  uint8_t* data_;
};

class KernelOwnMemory : private Pages, public KernelHostMemory {
 public:
  KernelOwnMemory(KernelFile& file, uint64_t bytes, int* error)
      : Pages(bytes), KernelHostMemory(file, Pages::data(), Pages::bytes(), error) {}
};

class KernelQueue : public user::CommandStream {
 public:
  KernelQueue(KernelFile& file, uint32_t entries, Milliseconds timeout)
      : CommandStream(entries), file_(file), timeout_(timeout) {
    eventfd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (eventfd_ < 0)
      throw Error(RDU_ERROR_NO_RESOURCE, fmt::format("eventfd for a queue: {}", std::strerror(errno)));
    queue_.entries = entries;
    queue_.eventfd = eventfd_;
    if (const int error = file_.control(RDU_IOC_QUEUE, &queue_)) {
      ::close(eventfd_);
      if (error == ENOSPC) throw Error(RDU_ERROR_NO_RESOURCE, "all queues of the device are in use");
      throw error_of(error, "creating a queue");
    }
  }
  ~KernelQueue() override {
    close();
    ::close(eventfd_);
  }

  uint32_t id() const override { return queue_.queue; }
  int interrupt_fd() override { return eventfd_; }
  int loss_fd() override { return -1; }  // the driver writes the eventfd

  void close() noexcept override {
    CommandStream::close();
    std::call_once(freed_, [this] {
      rdu_ioc_handle handle{queue_.handle, 0};
      file_.control(RDU_IOC_QUEUE_FREE, &handle);  // fails only if the context is lost already
    });
  }

 protected:
  void place(const rdu_sqe& sqe, uint64_t) override { placed_.push_back(sqe); }

  void ring(uint64_t) override {
    while (!placed_.empty()) {
      rdu_ioc_submit submit{};
      submit.handle = queue_.handle;
      submit.count = static_cast<uint32_t>(placed_.size());
      submit.commands = pointer_value(placed_.data());
      submit.timeout_ns = static_cast<uint64_t>(timeout_.count()) * 1'000'000;
      control(file_, RDU_IOC_SUBMIT, &submit, fmt::format("submitting to queue {}", id()));
      if (submit.count == 0 || submit.count > placed_.size() || submit.first_number != given_)
        throw Error(RDU_ERROR_PROTOCOL,
                    fmt::format("the kernel driver submitted {} of {} commands, as numbers {}..., not {}...",
                                submit.count, placed_.size(), submit.first_number, given_));
      given_ += submit.count;
      placed_.erase(placed_.begin(), placed_.begin() + submit.count);
    }
  }

  void give_back(uint64_t) override {}  // fetching a completion does

  void drain() override {
    constexpr uint32_t kRoom = 64;
    rdu_completion room[kRoom];
    uint32_t count = kRoom;
    while (oldest() != nullptr && oldest()->number() < given_ && count == kRoom) {
      rdu_ioc_completions take{};
      take.handle = queue_.handle;
      take.count = kRoom;
      take.completions = pointer_value(room);
      const int error = file_.control(RDU_IOC_COMPLETIONS, &take);
      if (error == ETIMEDOUT) return;
      if (error != 0) throw error_of(error, fmt::format("waiting for queue {}", id()));
      count = take.count;
      for (uint32_t i = 0; i < count; ++i) {
        if (oldest() == nullptr || room[i].number != oldest()->number())
          throw Error(RDU_ERROR_PROTOCOL,
                      fmt::format("the kernel driver completed command {} of queue {} out of order",
                                  room[i].number, id()));
        complete({room[i].result, room[i].start_ns, room[i].end_ns, room[i].status});
      }
    }
  }

  void sleep(Milliseconds timeout) override {
    pollfd set{eventfd_, POLLIN, 0};
    ::poll(&set, 1, static_cast<int>(std::clamp<int64_t>(timeout.count(), 0, INT_MAX)));
    uint64_t count = 0;
    if (::read(eventfd_, &count, sizeof count) < 0) return;  // nothing came
  }

  void wake() noexcept override {
    const uint64_t one = 1;
    if (::write(eventfd_, &one, sizeof one) < 0) return;  // it is readable as it is
  }

 private:
  KernelFile& file_;
  Milliseconds timeout_;
  int eventfd_;
  rdu_ioc_queue queue_{};
  std::vector<rdu_sqe> placed_;  // not submitted yet
  uint64_t given_ = 0;           // to the driver
  std::once_flag freed_;
};

// A context is a file of its own. It takes each of its segments as one memory object, and hands out parts.
class KernelContext : public TransportContext, private SegmentView {
 public:
  KernelContext(std::unique_ptr<KernelFile> file, uint64_t hbm_bytes, uint64_t ddr_bytes,
                Milliseconds timeout)
      : file_(std::move(file)), timeout_(timeout), segments_(*this, hbm_bytes, ddr_bytes) {
    rdu_ioc_context context{};
    context.hbm_bytes = whole_pages(hbm_bytes);  // the driver's unit
    context.ddr_bytes = whole_pages(ddr_bytes);
    const int error = file_->control(RDU_IOC_CONTEXT, &context);
    if (error == ENOSPC) throw Error(RDU_ERROR_NO_RESOURCE, "all contexts of the device are in use");
    if (error == ENOMEM)
      throw Error(RDU_ERROR_NO_MEMORY,
                  fmt::format("the device has not {} bytes of HBM and {} of DDR left (rdu-smi shows who has "
                              "them)",
                              hbm_bytes, ddr_bytes));
    if (error != 0) throw error_of(error, "creating a context");
    id_ = context.context;
    hbm_ = whole_segment(RDU_MEMORY_HBM, hbm_bytes);
    ddr_ = whole_segment(RDU_MEMORY_DDR, ddr_bytes);
  }

  uint32_t id() const override { return id_; }
  Room room(rdu_tier tier) override { return segments_.room(tier); }

  std::unique_ptr<Allocation> allocate(rdu_tier tier, uint64_t bytes) override {
    if (tier != RDU_TIER_HOST) return segments_.allocate(tier, bytes);
    int error = 0;
    auto memory = std::make_unique<KernelOwnMemory>(*file_, bytes, &error);
    if (error == ENOMEM)
      throw Error(RDU_ERROR_NO_MEMORY,
                  fmt::format("{} bytes of host memory cannot be pinned: no room in the context's host "
                              "segment, or the process may not lock so much (ulimit -l)",
                              bytes));
    if (error != 0) throw error_of(error, fmt::format("pinning {} bytes of host memory", bytes));
    return memory;
  }

  std::unique_ptr<Allocation> pin(void* memory, uint64_t bytes) override {
    int error = 0;
    auto pinned = std::make_unique<KernelHostMemory>(*file_, static_cast<uint8_t*>(memory), bytes, &error);
    if (error == EFAULT) return nullptr;  // not all of it may be written
    if (error != 0) throw error_of(error, fmt::format("pinning {} bytes of host memory", bytes));
    return pinned;
  }

  std::unique_ptr<user::CommandStream> create_queue(uint32_t entries) override {
    return std::make_unique<KernelQueue>(*file_, entries, timeout_);
  }

  void destroy() override {}  // closing the file does

 private:
  std::unique_ptr<KernelObject> whole_segment(uint32_t type, uint64_t bytes) {
    if (bytes == 0) return nullptr;
    rdu_ioc_memory object{};
    object.type = type;
    object.bytes = whole_pages(bytes);
    control(*file_, RDU_IOC_MEMORY, &object, "taking a context's memory");
    auto segment = std::make_unique<KernelObject>(*file_, object);
    if ((object.address & ((1ull << RDU_SEGMENT_SHIFT) - 1)) != 0)
      throw Error(RDU_ERROR_PROTOCOL,
                  "the kernel driver's memory object does not begin where its segment does");
    return segment;
  }

  // The pages that [offset, offset + bytes) lies in.
  static uint64_t first_page(uint64_t offset) { return offset / page_size() * page_size(); }
  static uint64_t bytes_of_pages(uint64_t offset, uint64_t bytes) {
    return whole_pages(offset + bytes) - first_page(offset);
  }

  uint8_t* map(rdu_tier tier, uint64_t offset, uint64_t bytes) override {
    const KernelObject& segment = tier == RDU_TIER_HBM ? *hbm_ : *ddr_;
    uint8_t* data = nullptr;
    const int error =
        file_->map(segment.mmap_offset() + first_page(offset), bytes_of_pages(offset, bytes), &data);
    if (error == EBUSY)
      throw Error(
          RDU_ERROR_NO_RESOURCE,
          fmt::format("no window onto the device's memory is free for {} bytes of {}; unmap others, or "
                      "copy",
                      bytes, tier_name(tier)));
    if (error != 0) throw error_of(error, fmt::format("mapping {} bytes of {}", bytes, tier_name(tier)));
    return data + (offset - first_page(offset));
  }

  void unmap(rdu_tier, uint64_t offset, uint64_t bytes, uint8_t* data) noexcept override {
    file_->unmap(data - (offset - first_page(offset)), bytes_of_pages(offset, bytes));
  }

  std::unique_ptr<KernelFile> file_;
  Milliseconds timeout_;
  uint32_t id_ = 0;
  std::unique_ptr<KernelObject> hbm_, ddr_;
  Segments segments_;
};

class KernelTransport : public Transport {
 public:
  KernelTransport(OpenKernelFile open, const std::string& name, Milliseconds timeout)
      : open_(std::move(open)), file_(open_()), timeout_(timeout) {
    rdu_ioc_info info{};
    info.identify_bytes = sizeof identity_;
    info.identify = pointer_value(&identity_);
    control(*file_, RDU_IOC_INFO, &info, name);
    if (info.uapi_version < RDU_UAPI_VERSION)
      throw Error(RDU_ERROR_INCOMPATIBLE,
                  fmt::format("{}: the kernel driver speaks version {}, this library {}", name,
                              info.uapi_version, RDU_UAPI_VERSION));
    if (info.identify_bytes < sizeof identity_ || identity_.abi_version != RDU_ABI_VERSION)
      throw Error(RDU_ERROR_INCOMPATIBLE,
                  fmt::format("{}: the firmware speaks interface version {}, this library {}", name,
                              identity_.abi_version, RDU_ABI_VERSION));
    identity_.model[sizeof identity_.model - 1] = '\0';
    identity_.firmware[sizeof identity_.firmware - 1] = '\0';
    interface_version_ = info.interface_version;
    max_entries_ = info.max_entries;
  }

  const rdu_identify& identity() const override { return identity_; }
  uint32_t interface_version() const override { return interface_version_; }
  uint32_t max_entries() const override { return max_entries_; }

  uint64_t device_time() override {
    rdu_ioc_info info{};
    control(*file_, RDU_IOC_INFO, &info, "reading the device's time");
    return info.time_ns;
  }

  std::unique_ptr<TransportContext> create_context(uint64_t hbm_bytes, uint64_t ddr_bytes) override {
    return std::make_unique<KernelContext>(open_(), hbm_bytes, ddr_bytes, timeout_);
  }

  std::vector<uint8_t> read_log(uint32_t page) override {
    std::vector<uint8_t> bytes;
    std::vector<uint8_t> piece(kLogPiece);
    uint64_t total = 0;
    do {
      rdu_ioc_admin admin{};
      admin.opcode = RDU_ADMIN_READ_LOG;
      admin.arg[0] = page;
      admin.arg[2] = kLogPiece;
      admin.arg[3] = bytes.size();
      admin.data = pointer_value(piece.data());
      admin.bytes = static_cast<uint32_t>(kLogPiece);
      control(*file_, RDU_IOC_ADMIN, &admin, fmt::format("reading log page {}", page));
      if (admin.status != RDU_STATUS_OK)
        throw Error(RDU_ERROR_REJECTED,
                    fmt::format("the firmware refused READ_LOG: {}",
                                user::status_text(RDU_ADMIN_READ_LOG, static_cast<uint16_t>(admin.status),
                                                  admin.result)));
      if (bytes.empty()) total = admin.result;  // what the page had when the reading began
      const auto part = std::min<uint64_t>(total - bytes.size(), kLogPiece);
      bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(part));
    } while (bytes.size() < total);
    return bytes;
  }

 private:
  OpenKernelFile open_;
  std::unique_ptr<KernelFile> file_;  // for what belongs to no context
  Milliseconds timeout_;
  rdu_identify identity_{};
  uint32_t interface_version_ = 0;
  uint32_t max_entries_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_kernel_transport(OpenKernelFile open, const std::string& name,
                                                 Milliseconds timeout) {
  return std::make_unique<KernelTransport>(std::move(open), name, timeout);
}

std::unique_ptr<Transport> open_kernel_transport(const std::string& path, Milliseconds timeout) {
  return make_kernel_transport([path] { return open_node(path); }, path, timeout);
}

}  // namespace rdu::runtime
