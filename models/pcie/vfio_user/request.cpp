#include "pcie/vfio_user/request.h"

#include <cerrno>
#include <utility>

#include "pcie/vfio_user/connection.h"
#include "pcie/vfio_user/protocol.h"

namespace rdu::pcie::vfio_user {

Request::Request(Content content, std::vector<UniqueFd> fds)
    : content_(std::move(content)), fds_(std::move(fds)) {}

Request::Request(Request&&) noexcept = default;

Request& Request::operator=(Request&& other) noexcept {
  if (this != &other) {
    if (slot_) reply_error(EIO);
    content_ = std::move(other.content_);
    fds_ = std::move(other.fds_);
    slot_ = std::move(other.slot_);
  }
  return *this;
}

Request::~Request() {
  if (slot_) reply_error(EIO);
}

void Request::reply_read(const uint8_t* data) {
  if (!slot_) return;
  const wire::RegionAccess access = {offset(), region(), size()};
  slot_->connection->finish(*slot_, &access, sizeof access, data, size());
  slot_.reset();
}

void Request::reply_done() {
  if (!slot_) return;
  detail::Connection& connection = *slot_->connection;
  if (slot_->command.command == static_cast<uint16_t>(wire::Command::kRegionWriteMulti)) {
    const wire::WriteMulti multi = {slot_->parts};
    connection.finish(*slot_, &multi, sizeof multi);
  } else if (kind() == Kind::kRegionWrite) {
    const wire::RegionAccess access = {offset(), region(), size()};
    connection.finish(*slot_, &access, sizeof access);
  } else if (kind() == Kind::kDmaUnmap) {
    const wire::DmaUnmap unmap = {sizeof unmap, content_.flags, content_.iova, content_.length};
    connection.finish(*slot_, &unmap, sizeof unmap);
  } else {
    connection.finish(*slot_, nullptr, 0);
  }
  slot_.reset();
}

void Request::reply_error(int error) {
  if (!slot_) return;
  slot_->connection->fail(*slot_, error);
  slot_.reset();
}

}  // namespace rdu::pcie::vfio_user
