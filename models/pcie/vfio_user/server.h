// A vfio-user server: gives one device to one client at a time over a UNIX socket.
//
// Threads. The socket is served by a host thread of the server (and, while the simulation waits for work, by
// the simulation's thread itself, which saves a hand-over for each access). Whatever needs the device is
// handed to the simulation as a Request; everything else (framing, negotiation, device information, errors of
// form) is answered without it. Calls of Device come only from execute(), start() and the destructor's thread
// of the owner: never concurrently.
//
// The owner's loop:
//
//   Server server(path, device, options);
//   server.start();
//   while (running) {
//     while (auto request = server.next()) server.execute(*request);   // or answer it later, see Request
//     if (nothing_to_simulate) server.wait(timeout); else simulate_a_while();
//   }
//
// Order. Replies leave in the order in which the messages came, as the protocol demands, however the owner
// completes them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "pcie/vfio_user/dma_map.h"
#include "pcie/vfio_user/irq_vectors.h"
#include "pcie/vfio_user/request.h"
#include "pcie/vfio_user/unique_fd.h"

namespace rdu::pcie::vfio_user {

// The regions of a PCI device (linux/vfio.h): 0 to 5 are the BARs.
inline constexpr uint32_t kRegionBar0 = 0;
inline constexpr uint32_t kRegionBar2 = 2;
inline constexpr uint32_t kRegionRom = 6;
inline constexpr uint32_t kRegionConfig = 7;
inline constexpr uint32_t kRegionVga = 8;

struct DeviceInfo {
  bool resettable = true;
  uint32_t num_regions = 9;
  uint32_t num_irqs = 5;
};

struct RegionInfo {
  uint64_t size = 0;  // bytes; 0: no such region
  bool readable = false;
  bool writable = false;
  int fd = -1;             // a file that the client may map, or -1; stays the device's
  uint64_t fd_offset = 0;  // of the region in that file
  struct Area {
    uint64_t offset;  // from the region's start, bytes, multiple of 4096
    uint64_t size;
  };
  std::vector<Area> areas;  // what of the region may be mapped; empty: all of it
};

// What the server serves. Functions that return int return 0 or an errno value, which the client gets as its
// error.
class Device {
 public:
  virtual ~Device() = default;

  // Asked once each, by start(): the answers hold for the life of the server. Only the file of a region that
  // can be mapped may be another one for each client: it is asked for again after disconnected().
  virtual DeviceInfo device_info() const = 0;
  virtual RegionInfo region_info(uint32_t index) const = 0;
  virtual IrqInfo irq_info(uint32_t index) const = 0;

  // [offset, offset + size) is inside the region, size is at least 1, and the region is readable (writable).
  virtual int region_read(uint32_t index, uint64_t offset, uint8_t* data, size_t size) = 0;
  virtual int region_write(uint32_t index, uint64_t offset, const uint8_t* data, size_t size) = 0;

  // A client has negotiated and has the device.
  virtual void connected() = 0;

  // After a window was added to Server::dma().
  virtual void dma_mapped(uint64_t iova, uint64_t size) = 0;
  // Before a window is taken away: the device must not use it from here on.
  virtual void dma_unmapping(uint64_t iova, uint64_t size) = 0;

  // After Server::irqs() was changed by the client: vectors may have become deliverable.
  virtual void irqs_changed(uint32_t index, uint32_t start, uint32_t count) = 0;

  virtual int reset() = 0;

  // The client has gone. Windows and eventfds are still there during the call and are gone after it.
  virtual void disconnected() = 0;
};

struct Options {
  // A message that has begun must be complete within this time, and so must the reading of a reply by the
  // client.
  std::chrono::milliseconds message_timeout{5000};
  // From connection to the end of version negotiation.
  std::chrono::milliseconds negotiation_timeout{5000};
  // For the client to answer DMA_READ and DMA_WRITE (only for host memory that came without a file).
  std::chrono::milliseconds dma_timeout{5000};
  uint32_t max_message_fds = 16;          // what we take in one message; QEMU refuses more than 16
  uint32_t max_data_transfer = 1u << 20;  // bytes in one region access; ours, the protocol's default
  uint32_t max_dma_windows = 65535;       // the protocol's default
  uint32_t max_queued_requests =
      1024;  // after that the socket is not read until the simulation has caught up; ours
  // One line, without its end. Called from the server's thread and from the owner's.
  std::function<void(const std::string&)> log;
};

// The socket cannot be had: the text says why and what to do.
class SocketError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {
class Engine;
}

class Server {
 public:
  // `path` of the socket; at most 107 bytes. Nothing happens before start().
  Server(std::string path, Device& device, Options options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();  // as stop()

  // Binds the socket and begins to serve. Replaces a socket that a dead process left behind. Throws
  // SocketError if the path is in use by a living one, is something else than a socket, is too long or cannot
  // be made.
  void start();
  // Serves a connection that exists already, and no socket: for tests.
  void start(UniqueFd connection);
  // Lets nobody in any more, and ends the connection as if the client had closed it: what it had sent is
  // still queued, then a kDisconnect request.
  void hang_up();
  // Closes the connection and removes the socket. Idempotent.
  void stop();

  // The oldest request that the simulation has not yet taken. Costs an atomic load when there is none.
  std::optional<Request> next();
  // Waits until next() has something, wake() is called, or the time has passed; negative: no limit. True if
  // next() has something.
  bool wait(std::chrono::milliseconds timeout);
  // Ends a wait() of another thread, or the next one.
  void wake();

  // Does what the request asks, by calls of the device, and answers it.
  void execute(Request& request);
  // The same for a request that is no region access, without the answer: 0 or the errno value to answer.
  int perform(Request& request);

  // A client has negotiated and has not gone: true before its kConnect is seen, false before its kDisconnect.
  bool connected() const;
  DmaMap& dma();
  IrqVectors& irqs();
  const std::string& path() const;

 private:
  std::unique_ptr<detail::Engine> engine_;
};

}  // namespace rdu::pcie::vfio_user
