// The client end of vfio-user: a plain process takes a device over a UNIX socket, as QEMU would for a guest.
//
// It knows regions, interrupts and DMA windows, and nothing of what the device's registers mean; that is the
// driver's (device.h). Written against the protocol's specification, independently of the server in
// models/pcie/vfio_user.
//
// Every call that waits has a time-out. Every failure is one of the exceptions below. All functions may be
// called from any thread; requests go one at a time. While a call waits, DMA requests of the server are
// served; a window that was mapped by dma_map_by_message() is therefore only reachable for the device while
// some thread is in a call (wait_irq() will do).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "user/host_memory.h"

namespace rdu::user {

using Milliseconds = std::chrono::milliseconds;

class VfioUserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The connection is gone: the simulator ended, was killed, or closed it. Nothing but a new client helps.
class DeviceLost : public VfioUserError {
 public:
  using VfioUserError::VfioUserError;
};

// No socket, no connection or no reply within the time. After a reply has timed out the client is unusable
// (every further call throws DeviceLost): the reply may still come and would be taken for another one.
class Timeout : public VfioUserError {
 public:
  using VfioUserError::VfioUserError;
};

// The server refused a request (error_number is its errno value), or did not follow the protocol
// (error_number EPROTO).
class ProtocolError : public VfioUserError {
 public:
  ProtocolError(const std::string& text, int error_number)
      : VfioUserError(text), error_number_(error_number) {}
  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

struct DeviceInfo {
  bool is_pci = false;
  bool resettable = false;
  uint32_t num_regions = 0;
  uint32_t num_irqs = 0;
};

// Indices of a PCI device's regions (linux/vfio.h).
inline constexpr uint32_t kBar0 = 0;
inline constexpr uint32_t kBar2 = 2;
inline constexpr uint32_t kConfigSpace = 7;

struct RegionInfo {
  uint32_t index = 0;
  uint64_t size = 0;  // bytes; 0: the device has no such region
  bool readable = false;
  bool writable = false;
  bool mappable = false;
  struct Area {
    uint64_t offset = 0;  // in the region
    uint64_t size = 0;
  };
  std::vector<Area> areas;  // what can be mapped: of a mappable region without a list, all of it
};

// Indices of a PCI device's interrupts (linux/vfio.h).
inline constexpr uint32_t kIntx = 0;
inline constexpr uint32_t kMsi = 1;
inline constexpr uint32_t kMsix = 2;

struct IrqInfo {
  uint32_t index = 0;
  uint32_t count = 0;  // vectors
  bool eventfd = false;
  bool maskable = false;
  bool automasked = false;
  bool no_resize = false;
};

// A part of a region that is mapped into this process: loads and stores reach the device without a message.
class RegionWindow {
 public:
  RegionWindow() = default;
  RegionWindow(void* data, size_t size, uint64_t offset) : data_(data), size_(size), offset_(offset) {}
  RegionWindow(RegionWindow&& other) noexcept;
  RegionWindow& operator=(RegionWindow&& other) noexcept;
  ~RegionWindow();

  uint8_t* data() const { return static_cast<uint8_t*>(data_); }
  size_t size() const { return size_; }
  uint64_t offset() const { return offset_; }  // of the window in its region

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
  uint64_t offset_ = 0;
};

struct ClientOptions {
  Milliseconds connect_timeout{30000};          // for the socket to appear, accept us, and negotiate
  Milliseconds request_timeout{60000};          // for a reply; generous, for a simulated device may be busy
  Milliseconds report_every{2000};              // how often `log` is told what connect() waits for
  std::function<void(const std::string&)> log;  // one line without its end; may be empty
};

class VfioUserClient {
 public:
  // Waits for the socket at `path` and negotiates. Throws Timeout if there is no server by then, DeviceLost
  // if it closes, ProtocolError if it speaks another version.
  VfioUserClient(const std::string& path, ClientOptions options = {});
  // Takes a connected socket: for tests.
  VfioUserClient(int connected_fd, ClientOptions options);
  VfioUserClient(VfioUserClient&&) noexcept;
  VfioUserClient& operator=(VfioUserClient&&) noexcept;
  ~VfioUserClient();

  DeviceInfo device_info();
  RegionInfo region_info(uint32_t region);
  IrqInfo irq_info(uint32_t index);

  // Moves `size` bytes at `offset` of the region, in pieces of what the server takes at once (a register
  // access is never split).
  void region_read(uint32_t region, uint64_t offset, void* data, size_t size);
  // A posted write does not wait for its reply: an error it may cause is lost, as on PCIe. Order is kept.
  void region_write(uint32_t region, uint64_t offset, const void* data, size_t size, bool posted = false);

  template <typename T>
  T read(uint32_t region, uint64_t offset) {
    T value;
    region_read(region, offset, &value, sizeof value);
    return value;
  }
  template <typename T>
  void write(uint32_t region, uint64_t offset, T value, bool posted = false) {
    region_write(region, offset, &value, sizeof value, posted);
  }

  // Maps every mappable area of a region; empty if there is none.
  std::vector<RegionWindow> map_region(uint32_t region);

  // Lets the device reach `memory` at DMA addresses [iova, iova + memory.size()). iova is a multiple of 4096.
  // The memory must live until dma_unmap() or the end of the client.
  void dma_map(const HostMemory& memory, uint64_t iova, bool device_writes = true);
  // The same for any memory of this process: every access of the device then is a message, served while a
  // call waits. `size` is a multiple of 4096.
  void dma_map_by_message(void* memory, size_t size, uint64_t iova, bool device_writes = true);
  // Exactly one window that was mapped.
  void dma_unmap(uint64_t iova, uint64_t size);
  void dma_unmap_all();

  // Creates an eventfd for each of vectors [start, start + count) of an interrupt index, and gives them to
  // the device.
  void enable_irqs(uint32_t index, uint32_t start, uint32_t count);
  // Takes all vectors of the index back.
  void disable_irqs(uint32_t index);
  void mask_irq(uint32_t index, uint32_t vector);
  void unmask_irq(uint32_t index, uint32_t vector);
  // Has the device raise the vector, as a test of the path.
  void trigger_irq(uint32_t index, uint32_t vector);
  // The eventfd of an enabled vector, for poll() in the caller's own loop; it stays the client's.
  int irq_fd(uint32_t index, uint32_t vector);
  // The connection, for poll() alone: it hangs up when the simulator goes away.
  int socket_fd();
  // Sleeps until the vector is raised: how often it was since the last call; 0 if the time has passed. Throws
  // DeviceLost at once if the simulator goes away meanwhile.
  uint64_t wait_irq(uint32_t index, uint32_t vector, Milliseconds timeout);

  // Resets the device; its time-out is request_timeout.
  void reset();

  // Throws DeviceLost if the server has closed; serves what DMA requests are waiting.
  void check();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rdu::user
