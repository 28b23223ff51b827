// Version negotiation: what client and server tell each other of themselves. Internal to the server.
#pragma once

#include <cstdint>
#include <string>

#include "pcie/vfio_user/protocol.h"

namespace rdu::pcie::vfio_user::detail {

struct Capabilities {
  uint64_t max_message_fds = wire::kDefaultMaxMessageFds;
  uint64_t max_data_transfer = wire::kDefaultMaxDataTransfer;
  uint64_t max_dma_maps = wire::kDefaultMaxDmaMaps;
  uint64_t page_sizes = wire::kDefaultPageSizes;
  bool write_multiple = false;
};

struct Negotiated {
  int error = 0;       // errno value, or 0
  std::string why;     // in words, if error
  bool final = false;  // with an error: no further attempt makes sense
  Capabilities client;
  std::string answer;  // the payload of the reply: version, JSON text, NUL
};

// Judges the payload of a VERSION message. The answer names only capabilities that the client named, as the
// protocol demands.
Negotiated negotiate(const uint8_t* payload, size_t size, const Capabilities& ours);

}  // namespace rdu::pcie::vfio_user::detail
