// What a client asks of the device, on its way through the simulation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "pcie/vfio_user/unique_fd.h"

namespace rdu::pcie::vfio_user {

namespace detail {
struct Slot;
class Engine;
}  // namespace detail

// One request of the client. It is answered once, by one of the functions below, at any later moment of the
// owner's choice; one that is destroyed unanswered is answered EIO. Move-only.
class Request {
 public:
  enum class Kind : uint8_t {
    kRegionRead,   // region, offset, size
    kRegionWrite,  // region, offset, size, data
    kDmaMap,       // iova, length, flags, offset in the file
    kDmaUnmap,     // iova, length, flags
    kSetIrqs,      // region (the interrupt index), start, size (vectors), flags, data
    kReset,
    kConnect,     // a client has the device; no answer
    kDisconnect,  // the client has gone; no answer. The next client is let in when this has been executed.
  };

  struct Content {
    Kind kind = Kind::kDisconnect;
    uint64_t number = 0;  // counts the requests of the server's life, from 1
    uint32_t region = 0;
    uint64_t offset = 0;
    uint32_t size = 0;
    std::vector<uint8_t> data;
    uint64_t iova = 0;
    uint64_t length = 0;
    uint32_t flags = 0;  // as in the message
    uint32_t start = 0;
  };

  // A request that came by no connection: its answer goes nowhere.
  explicit Request(Content content, std::vector<UniqueFd> fds = {});
  Request(Request&&) noexcept;
  Request& operator=(Request&&) noexcept;
  ~Request();

  const Content& content() const { return content_; }
  const std::vector<UniqueFd>& fds() const { return fds_; }

  Kind kind() const { return content_.kind; }
  // The identity of this request in traces.
  uint64_t number() const { return content_.number; }
  uint32_t region() const { return content_.region; }
  uint64_t offset() const { return content_.offset; }
  uint32_t size() const { return content_.size; }  // bytes to read or to write
  const std::vector<uint8_t>& data() const { return content_.data; }

  void reply_read(const uint8_t* data);  // size() bytes
  void reply_done();                     // every other kind
  void reply_error(int error);           // errno value, not 0

 private:
  friend class detail::Engine;

  Content content_;
  std::vector<UniqueFd> fds_;
  std::shared_ptr<detail::Slot> slot_;
};

}  // namespace rdu::pcie::vfio_user
