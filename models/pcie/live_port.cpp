#include "pcie/live_port.h"

namespace rdu::pcie {

void LivePort::answer(Request& request, int error, const uint8_t* data) {
  if (error) {
    request.reply_error(error);
  } else if (request.kind() == Request::Kind::kRegionRead) {
    request.reply_read(data);
  } else {
    request.reply_done();
  }
}

int LivePort::dma_read(core::Time, uint64_t address, uint8_t* data, size_t size) {
  return server_.dma().read(address, data, size);
}

int LivePort::dma_write(core::Time, uint64_t address, const uint8_t* data, size_t size) {
  return server_.dma().write(address, data, size);
}

bool LivePort::peek(uint64_t address, uint8_t* data, size_t size) {
  return server_.dma().read(address, data, size) == 0;
}

bool LivePort::poke(uint64_t address, const uint8_t* data, size_t size) {
  return server_.dma().write(address, data, size) == 0;
}

}  // namespace rdu::pcie
