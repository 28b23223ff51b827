#include "user/queue_pair.h"

#include <fmt/format.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "regs/hostif.h"
#include "user/errors.h"

namespace rdu::user {

QueuePair::QueuePair(Bus& bus, const Layout& layout)
    : CommandStream(layout.entries), bus_(bus), layout_(layout) {
  if (layout.entries < 2 || (layout.entries & (layout.entries - 1)) != 0)
    throw std::logic_error("QueuePair: entries is no power of two");
}

void QueuePair::place(const rdu_sqe& sqe, uint64_t number) {
  std::memcpy(layout_.submissions + number % layout_.entries * sizeof sqe, &sqe, sizeof sqe);
}

void QueuePair::ring(uint64_t submitted) {
  std::atomic_thread_fence(std::memory_order_release);  // the entries are there before the doorbell
  bus_.post32(RDU_HOSTIF_DOORBELL_SQ_TAIL(layout_.id), static_cast<uint32_t>(submitted % layout_.entries));
}

void QueuePair::give_back(uint64_t completions) {
  bus_.post32(RDU_HOSTIF_DOORBELL_CQ_HEAD(layout_.id), static_cast<uint32_t>(completions % layout_.entries));
}

// Takes every completion that is there.
void QueuePair::drain() {
  for (;;) {
    const uint8_t* entry = layout_.completions + taken_ % layout_.entries * sizeof(rdu_cqe);
    uint16_t phase;
    std::memcpy(&phase, entry + offsetof(rdu_cqe, phase), sizeof phase);
    const uint16_t expected = ((taken_ / layout_.entries) & 1) == 0 ? 1 : 0;
    if ((phase & 1) != expected) return;
    std::atomic_thread_fence(std::memory_order_acquire);  // the device writes the phase last
    rdu_cqe cqe;
    std::memcpy(&cqe, entry, sizeof cqe);
    const auto broken = [&](const std::string& text) {
      return DeviceError(DeviceError::Kind::kProtocol, fmt::format("queue {}: {}", layout_.id, text));
    };
    const Command* command = oldest();
    if (command == nullptr)
      throw broken(fmt::format("the device completed command {} that was not submitted", cqe.command_id));
    if (cqe.command_id != static_cast<uint16_t>(command->number()))
      throw broken(fmt::format("the device completed command {} where {} was next", cqe.command_id,
                               static_cast<uint16_t>(command->number())));
    complete({cqe.result, cqe.start_ns, cqe.end_ns, cqe.status});
    ++taken_;
  }
}

}  // namespace rdu::user
