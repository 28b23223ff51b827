#include "user/command_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "user/vfio_user_client.h"

namespace rdu::user {

std::shared_ptr<Command> CommandStream::submit(rdu_sqe sqe, Milliseconds timeout) {
  Lock lock(mutex_);
  // As in NVMe a full queue has one entry free, else full and empty would look the same. The completion queue
  // is as long, and its entries are what is scarce: a submission is free again no later than its completion.
  const uint64_t most = entries_ - 1;
  const auto deadline = Clock::now() + timeout;
  while (submitted_ - returned_ == most) {  // again, if another thread took the room while this one slept
    const uint64_t target = returned_ + (most + 1) / 2;
    if (!wait_locked(lock, target - 1, deadline))
      throw Timeout(
          fmt::format("queue {} is full: no command completed within {} ms", id(), timeout.count()));
    if (returned_ < target) {
      returned_ = target;
      give_back(returned_);
    }
  }
  if (closed_) throw QueueClosed("the queue was closed");
  auto command = std::make_shared<Command>();
  command->opcode_ = sqe.opcode;
  command->number_ = submitted_;
  sqe.command_id = static_cast<uint16_t>(submitted_);
  place(sqe, submitted_);
  in_flight_.push_back(command);
  ++submitted_;
  if (!held_) ring_for_all();
  return command;
}

void CommandStream::ring_for_all() {
  if (rung_ == submitted_) return;
  ring(submitted_);
  rung_ = submitted_;
}

void CommandStream::hold() {
  Lock lock(mutex_);
  held_ = true;
}

void CommandStream::release() {
  Lock lock(mutex_);
  held_ = false;
  if (!closed_) ring_for_all();
}

bool CommandStream::wait(const Command& command, Milliseconds timeout) {
  Lock lock(mutex_);
  return wait_locked(lock, command.number_, Clock::now() + timeout);
}

void CommandStream::urge(const Command& command) {
  Lock lock(mutex_);
  if (!closed_ && command.number_ >= rung_) ring_for_all();
}

bool CommandStream::wait_below(uint64_t number, Milliseconds timeout) {
  Lock lock(mutex_);
  return number == 0 || wait_locked(lock, number - 1, Clock::now() + timeout);
}

uint64_t CommandStream::submitted() {
  Lock lock(mutex_);
  return submitted_;
}

uint64_t CommandStream::completed() {
  Lock lock(mutex_);
  return consumed_;
}

// Until completion `number` was seen. The caller holds the lock.
bool CommandStream::wait_locked(Lock& lock, uint64_t number, Clock::time_point deadline) {
  for (;;) {
    if (!closed_) take_completions();
    if (consumed_ > number) return true;
    if (closed_) throw QueueClosed("the queue was closed before the command completed");
    const auto now = Clock::now();
    if (now >= deadline) return false;
    if (number >= rung_) ring_for_all();
    if (sleeping_) {
      changed_.wait_until(lock, deadline);
      continue;
    }
    sleeping_ = true;
    lock.unlock();
    const auto wake_others = [&] {
      lock.lock();
      sleeping_ = false;
      changed_.notify_all();
    };
    try {
      sleep(std::chrono::ceil<Milliseconds>(deadline - now));
    } catch (...) {
      wake_others();
      throw;
    }
    wake_others();
  }
}

void CommandStream::look() {
  Lock lock(mutex_);
  if (closed_) return;
  const uint64_t before = consumed_;
  sleep(Milliseconds{0});
  take_completions();
  // The interrupt may have been meant for the thread that sleeps for it.
  if (consumed_ != before && sleeping_) wake();
}

void CommandStream::take_completions() {
  const uint64_t before = consumed_;
  drain();
  if (consumed_ != before) tell_locked();
}

void CommandStream::complete(const Completion& completion) {
  Command& command = *in_flight_.front();
  command.completion_ = completion;
  in_flight_.pop_front();
  ++consumed_;
}

void CommandStream::listen(int eventfd) {
  Lock lock(mutex_);
  listeners_.push_back(eventfd);
}

void CommandStream::unlisten(int eventfd) {
  Lock lock(mutex_);
  listeners_.erase(std::remove(listeners_.begin(), listeners_.end(), eventfd), listeners_.end());
}

void CommandStream::tell_listeners() noexcept {
  Lock lock(mutex_);
  tell_locked();
}

void CommandStream::tell_locked() noexcept {
  const uint64_t one = 1;
  for (const int eventfd : listeners_) {
    // Fails only if it holds almost 2^64 already, and is readable then, too.
    if (::write(eventfd, &one, sizeof one) < 0) continue;
  }
}

void CommandStream::close() noexcept {
  Lock lock(mutex_);
  if (!closed_) {
    try {
      take_completions();
    } catch (const std::exception&) {
      // The device is lost: nothing more completes.
    }
  }
  closed_ = true;
  tell_locked();
  changed_.notify_all();
  while (sleeping_) {
    wake();
    changed_.wait_for(lock, Milliseconds{10});
  }
}

}  // namespace rdu::user
