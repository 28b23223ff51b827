#include "pcie/vfio_user/irq_vectors.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "pcie/vfio_user/protocol.h"

namespace rdu::pcie::vfio_user {

namespace {

void tell(const UniqueFd& eventfd) {
  if (!eventfd.valid()) return;
  // A counter that is full would block the write; it then holds events enough for the client to look.
  pollfd room = {eventfd.get(), POLLOUT, 0};
  if (::poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) return;
  const uint64_t one = 1;
  ssize_t written;
  do {
    written = ::write(eventfd.get(), &one, sizeof one);
  } while (written < 0 && errno == EINTR);
}

}  // namespace

// Only an eventfd will do: writing to a pipe or a socket that the client closed would be a signal that ends
// us, and to one that it does not read would block.
bool is_eventfd(int fd) {
  char target[64] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target - 1);
  return length > 0 && std::strcmp(target, "anon_inode:[eventfd]") == 0;
}

IrqVectors::IrqVectors(const std::vector<IrqInfo>& indices) {
  for (const IrqInfo& info : indices) {
    Index index;
    index.info = info;
    index.vectors.resize(info.count);
    indices_.push_back(std::move(index));
  }
}

bool IrqVectors::in_range(uint32_t index, uint32_t start, uint32_t count) const {
  if (index >= indices_.size()) return false;
  const size_t vectors = indices_[index].vectors.size();
  return start <= vectors && count <= vectors - start;
}

const IrqVectors::Vector* IrqVectors::at(uint32_t index, uint32_t vector) const {
  return in_range(index, vector, 1) ? &indices_[index].vectors[vector] : nullptr;
}

int IrqVectors::assign(uint32_t index, uint32_t start, uint32_t count, Action action,
                       std::vector<UniqueFd> fds) {
  if (!in_range(index, start, count)) return EINVAL;
  if (!fds.empty() && fds.size() != count) return EINVAL;
  if (action != Action::kTrigger && !indices_[index].info.maskable) return EINVAL;
  for (const UniqueFd& fd : fds)
    if (!is_eventfd(fd.get())) return EINVAL;
  for (uint32_t i = 0; i < count; ++i) {
    Vector& vector = indices_[index].vectors[start + i];
    UniqueFd& place = action == Action::kTrigger ? vector.trigger
                      : action == Action::kMask  ? vector.mask
                                                 : vector.unmask;
    place = fds.empty() ? UniqueFd() : std::move(fds[i]);
  }
  return 0;
}

void IrqVectors::set_mask(Vector& vector, bool masked) {
  if (vector.masked == masked) return;
  vector.masked = masked;
  tell(masked ? vector.mask : vector.unmask);
}

int IrqVectors::act(uint32_t index, uint32_t start, uint32_t count, Action action,
                    const std::vector<uint8_t>& chosen) {
  if (!in_range(index, start, count)) return EINVAL;
  if (!chosen.empty() && chosen.size() != count) return EINVAL;
  if (action != Action::kTrigger && !indices_[index].info.maskable) return EINVAL;
  for (uint32_t i = 0; i < count; ++i) {
    if (!chosen.empty() && chosen[i] == 0) continue;
    Vector& vector = indices_[index].vectors[start + i];
    if (action == Action::kTrigger) {
      trigger(index, start + i);
    } else {
      set_mask(vector, action == Action::kMask);
      if (action == Action::kUnmask && vector.pending) {
        vector.pending = false;
        trigger(index, start + i);
      }
    }
  }
  return 0;
}

int IrqVectors::disable(uint32_t index) {
  if (index >= indices_.size()) return EINVAL;
  for (Vector& vector : indices_[index].vectors) vector = Vector();
  return 0;
}

int IrqVectors::set(uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
                    const std::vector<uint8_t>& chosen, std::vector<UniqueFd> fds) {
  if (count == 0) return disable(index);
  const Action action = flags & wire::kSetActionMask     ? Action::kMask
                        : flags & wire::kSetActionUnmask ? Action::kUnmask
                                                         : Action::kTrigger;
  return flags & wire::kSetDataEventfd ? assign(index, start, count, action, std::move(fds))
                                       : act(index, start, count, action, chosen);
}

bool IrqVectors::trigger(uint32_t index, uint32_t number) {
  if (!in_range(index, number, 1)) return false;
  Vector& vector = indices_[index].vectors[number];
  if (vector.masked) {
    vector.pending = true;
    return false;
  }
  if (!vector.trigger.valid()) return false;
  tell(vector.trigger);
  if (indices_[index].info.automasked) set_mask(vector, true);
  return true;
}

bool IrqVectors::enabled(uint32_t index, uint32_t vector) const {
  const Vector* found = at(index, vector);
  return found && found->trigger.valid();
}

bool IrqVectors::masked(uint32_t index, uint32_t vector) const {
  const Vector* found = at(index, vector);
  return found && found->masked;
}

bool IrqVectors::pending(uint32_t index, uint32_t vector) const {
  const Vector* found = at(index, vector);
  return found && found->pending;
}

void IrqVectors::clear() {
  for (uint32_t index = 0; index < indices_.size(); ++index) disable(index);
}

}  // namespace rdu::pcie::vfio_user
