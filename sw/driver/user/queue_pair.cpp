#include "user/queue_pair.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "regs/hostif.h"
#include "user/errors.h"

namespace rdu::user {

QueuePair::QueuePair(Bus& bus, const Layout& layout) : bus_(bus), layout_(layout) {
  if (layout.entries < 2 || (layout.entries & (layout.entries - 1)) != 0)
    throw std::logic_error("QueuePair: entries is no power of two");
}

std::shared_ptr<Command> QueuePair::submit(rdu_sqe sqe, Milliseconds timeout) {
  Lock lock(mutex_);
  // As in NVMe a full queue has one entry free, else full and empty would look the same. The completion queue
  // is as long, and its entries are what is scarce: a submission is free again no later than its completion.
  const uint64_t most = layout_.entries - 1;
  const auto deadline = Clock::now() + timeout;
  while (submitted_ - returned_ == most) {  // again, if another thread took the room while this one slept
    const uint64_t target = returned_ + (most + 1) / 2;
    if (!wait_locked(lock, target - 1, deadline))
      throw Timeout(
          fmt::format("queue {} is full: no command completed within {} ms", layout_.id, timeout.count()));
    if (returned_ < target) {
      returned_ = target;
      bus_.post32(RDU_HOSTIF_DOORBELL_CQ_HEAD(layout_.id),
                  static_cast<uint32_t>(returned_ % layout_.entries));
    }
  }
  auto command = std::make_shared<Command>();
  command->opcode_ = sqe.opcode;
  command->number_ = submitted_;
  sqe.command_id = static_cast<uint16_t>(submitted_);
  std::memcpy(layout_.submissions + submitted_ % layout_.entries * sizeof sqe, &sqe, sizeof sqe);
  in_flight_.push_back(command);
  ++submitted_;
  if (!held_) ring();
  return command;
}

void QueuePair::ring() {
  if (rung_ == submitted_) return;
  rung_ = submitted_;
  std::atomic_thread_fence(std::memory_order_release);  // the entries are there before the doorbell
  bus_.post32(RDU_HOSTIF_DOORBELL_SQ_TAIL(layout_.id), static_cast<uint32_t>(submitted_ % layout_.entries));
}

void QueuePair::hold() {
  Lock lock(mutex_);
  held_ = true;
}

void QueuePair::release() {
  Lock lock(mutex_);
  held_ = false;
  ring();
}

bool QueuePair::wait(const Command& command, Milliseconds timeout) {
  Lock lock(mutex_);
  return wait_locked(lock, command.number_, Clock::now() + timeout);
}

bool QueuePair::wait_below(uint64_t number, Milliseconds timeout) {
  Lock lock(mutex_);
  return number == 0 || wait_locked(lock, number - 1, Clock::now() + timeout);
}

uint64_t QueuePair::submitted() {
  Lock lock(mutex_);
  return submitted_;
}

// Until completion `number` was seen. The caller holds the lock.
bool QueuePair::wait_locked(Lock& lock, uint64_t number, Clock::time_point deadline) {
  for (;;) {
    drain();
    if (consumed_ > number) return true;
    const auto now = Clock::now();
    if (now >= deadline) return false;
    if (number >= rung_) ring();
    if (sleeping_) {
      changed_.wait_until(lock, deadline);
      continue;
    }
    sleeping_ = true;
    lock.unlock();
    const auto wake = [&] {
      lock.lock();
      sleeping_ = false;
      changed_.notify_all();
    };
    try {
      bus_.wait_vector(layout_.vector, std::chrono::ceil<Milliseconds>(deadline - now));
    } catch (...) {
      wake();
      throw;
    }
    wake();
  }
}

// Takes every completion that is there.
void QueuePair::drain() {
  for (;;) {
    const uint8_t* entry = layout_.completions + consumed_ % layout_.entries * sizeof(rdu_cqe);
    uint16_t phase;
    std::memcpy(&phase, entry + offsetof(rdu_cqe, phase), sizeof phase);
    const uint16_t expected = ((consumed_ / layout_.entries) & 1) == 0 ? 1 : 0;
    if ((phase & 1) != expected) return;
    std::atomic_thread_fence(std::memory_order_acquire);  // the device writes the phase last
    rdu_cqe cqe;
    std::memcpy(&cqe, entry, sizeof cqe);
    const auto broken = [&](const std::string& text) {
      return DeviceError(DeviceError::Kind::kProtocol, fmt::format("queue {}: {}", layout_.id, text));
    };
    if (in_flight_.empty())
      throw broken(fmt::format("the device completed command {} that was not submitted", cqe.command_id));
    Command& command = *in_flight_.front();
    if (cqe.command_id != static_cast<uint16_t>(command.number_))
      throw broken(fmt::format("the device completed command {} where {} was next", cqe.command_id,
                               static_cast<uint16_t>(command.number_)));
    command.completion_ = {cqe.result, cqe.start_ns, cqe.end_ns, cqe.status};
    command.done_ = true;
    in_flight_.pop_front();
    ++consumed_;
  }
}

}  // namespace rdu::user
