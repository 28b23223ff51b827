#include "runtime/queue.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "regs/sequencer.h"
#include "runtime/health.h"

namespace rdu::runtime {

namespace {

rdu_result result_of(uint16_t status) {
  if (status >= RDU_STATUS_PROGRAM) {
    switch (status - RDU_STATUS_PROGRAM) {
      case RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM:
        return RDU_ERROR_NOT_LOADED;
      case RDU_SEQUENCER_FAULT_CODE_BAD_MAGIC:
      case RDU_SEQUENCER_FAULT_CODE_BAD_VERSION:
      case RDU_SEQUENCER_FAULT_CODE_BAD_SIZE:
      case RDU_SEQUENCER_FAULT_CODE_BAD_CRC:
      case RDU_SEQUENCER_FAULT_CODE_BAD_SHAPE:
      case RDU_SEQUENCER_FAULT_CODE_BAD_UNIT:
      case RDU_SEQUENCER_FAULT_CODE_BAD_WORD:
      case RDU_SEQUENCER_FAULT_CODE_BAD_CONFIG:
      case RDU_SEQUENCER_FAULT_CODE_BAD_ROUTE:
        return RDU_ERROR_BAD_PROGRAM;
      case RDU_SEQUENCER_FAULT_CODE_SEGMENT:
      case RDU_SEQUENCER_FAULT_CODE_MEMORY:
      case RDU_SEQUENCER_FAULT_CODE_HUNG:
        return RDU_ERROR_GUEST_FAULT;
      case RDU_SEQUENCER_FAULT_CODE_ABORTED:
        return RDU_ERROR_ABORTED;
      case RDU_SEQUENCER_FAULT_CODE_BUSY:
        return RDU_ERROR_REJECTED;
      default:
        return RDU_ERROR_PROTOCOL;
    }
  }
  switch (status) {
    case RDU_STATUS_OK:
      return RDU_OK;
    case RDU_STATUS_BAD_OPCODE:
    case RDU_STATUS_BAD_ARGUMENT:
    case RDU_STATUS_BAD_CONTEXT:
    case RDU_STATUS_BAD_QUEUE:
      return RDU_ERROR_REJECTED;
    case RDU_STATUS_NO_MEMORY:
      return RDU_ERROR_NO_MEMORY;
    case RDU_STATUS_NO_RESOURCE:
      return RDU_ERROR_NO_RESOURCE;
    case RDU_STATUS_IN_USE:
      return RDU_ERROR_IN_USE;
    case RDU_STATUS_COPY_SEGMENT:
    case RDU_STATUS_COPY_DECODE:
    case RDU_STATUS_COPY_DENIED:
      return RDU_ERROR_GUEST_FAULT;
    case RDU_STATUS_COPY_ECC:
    case RDU_STATUS_TOO_HOT:
      return RDU_ERROR_HARDWARE;
    case RDU_STATUS_ABORTED:
      return RDU_ERROR_ABORTED;
    default:
      return RDU_ERROR_PROTOCOL;
  }
}

const char* command_name(uint8_t opcode) {
  switch (opcode) {
    case RDU_CMD_NOP:
      return "no-operation";
    case RDU_CMD_COPY:
      return "copy";
    case RDU_CMD_LOAD_PROGRAM:
      return "program load";
    case RDU_CMD_LAUNCH:
      return "launch";
    case RDU_CMD_EVENT:
      return "wait for an event of the device";
    default:
      return "command";
  }
}

}  // namespace

std::optional<Error> failure_of(uint8_t opcode, const Completion& completion, const Transport& transport) {
  const rdu_result result = result_of(completion.status);
  if (result == RDU_OK) return std::nullopt;
  const std::string reason = transport.explain(opcode, completion);
  if (result == RDU_ERROR_GUEST_FAULT) return Error(result, "guest fault: " + reason);
  return Error(result, fmt::format("the {} failed: {}", command_name(opcode), reason));
}

// --- Event
// ---------------------------------------------------------------------------------------------------

Event::Event(std::shared_ptr<Queue> queue, uint8_t opcode, std::shared_ptr<Submission> submission)
    : queue_(std::move(queue)),
      opcode_(opcode),
      number_(submission->number()),
      submission_(std::move(submission)) {
  std::lock_guard lock(queue_->event_mutex_);
  queue_->events_.insert(this);
}

Event::~Event() {
  std::lock_guard lock(queue_->event_mutex_);
  queue_->events_.erase(this);
}

bool Event::finished(Milliseconds timeout) {
  std::shared_ptr<Submission> submission;
  {
    std::lock_guard lock(queue_->event_mutex_);
    if (completion_) return true;
    submission = submission_;
  }
  if (!submission) {
    if (!queue_->context_->device()->is_open())
      throw Error(RDU_ERROR_DEVICE_LOST, "the device was closed before the command completed");
    throw Error(RDU_ERROR_ABORTED,
                fmt::format("the {} was aborted: its queue was destroyed before it completed",
                            command_name(opcode_)));
  }
  if (!submission->wait(timeout)) return false;
  const Completion completion = submission->completion();
  std::lock_guard lock(queue_->event_mutex_);
  completion_ = completion;
  if (auto failure = failure_of(opcode_, completion, queue_->context_->transport()))
    failure_ = failure->what();
  return true;
}

void Event::wait(Milliseconds timeout) {
  if (!finished(timeout))
    throw Error(RDU_ERROR_TIMEOUT,
                fmt::format("the {} did not complete within {} ms", command_name(opcode_), timeout.count()));
  const rdu_result result = result_of(completion_->status);
  if (result != RDU_OK) throw Error(result, failure_);
}

rdu_event_info Event::info() {
  if (!finished(Milliseconds{0})) throw Error(RDU_ERROR_TIMEOUT, "the command has not completed yet");
  rdu_event_info info{};
  info.start_ns = completion_->start_ns;
  info.end_ns = completion_->end_ns;
  const bool counts = opcode_ == RDU_CMD_LOAD_PROGRAM || opcode_ == RDU_CMD_LAUNCH;
  if (counts && completion_->status == RDU_STATUS_OK) info.cycles = completion_->result;
  info.tag = (static_cast<uint64_t>(queue_->id()) << 16 | (number_ & 0xffff)) + 1;
  return info;
}

rdu_device_event Event::device_event() {
  if (opcode_ != RDU_CMD_EVENT)
    throw Error(RDU_ERROR_INVALID_ARGUMENT, "the event is not of rdu_device_event_async");
  wait(Milliseconds{0});
  rdu_log_event event{};
  static_assert(offsetof(rdu_log_event, time_ns) == sizeof completion_->result);
  std::memcpy(&event, &completion_->result, sizeof completion_->result);
  event.time_ns = completion_->start_ns;
  return device_event_of(event);
}

// The queue goes: keeps how the command ended, if it has.
void Event::drop() {
  if (!completion_ && submission_) {
    try {
      if (submission_->wait(Milliseconds{0})) {
        completion_ = submission_->completion();
        if (auto failure = failure_of(opcode_, *completion_, queue_->context_->transport()))
          failure_ = failure->what();
      }
    } catch (const Error&) {
      // The device is lost; wait() will say so.
    }
  }
  submission_.reset();
}

// --- Queue
// ---------------------------------------------------------------------------------------------------

std::shared_ptr<Queue> Queue::create(std::shared_ptr<Context> context, uint32_t entries) {
  return std::shared_ptr<Queue>(new Queue(std::move(context), entries));
}

Queue::Queue(std::shared_ptr<Context> context, uint32_t entries) : context_(std::move(context)) {
  std::lock_guard lock(context_->device()->mutex());
  Transport& transport = context_->transport();
  if (entries == 0) entries = kDefaultEntries;
  if (entries < 2 || entries > transport.max_entries() || (entries & (entries - 1)) != 0)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("a queue of {} entries: must be a power of two, 2 to {}", entries,
                            transport.max_entries()));
  commands_ = transport.create_queue(context_->id(), entries);
  id_ = commands_->id();
  context_->queues.insert(this);
}

Queue::~Queue() {
  std::lock_guard lock(context_->device()->mutex());
  context_->queues.erase(this);
}

void Queue::destroy() {
  std::lock_guard submit_lock(submit_mutex_);
  std::lock_guard lock(context_->device()->mutex());
  if (!commands_) return;  // the device was closed before
  try {
    collect();
  } catch (const Error&) {
    // The device is lost: nothing runs any more.
  }
  if (failure_)
    context_->device()->log(fmt::format("a command that nobody waited for: {}", failure_->what()));
  context_->queues.erase(this);
  drop();
}

void Queue::drop() {
  {
    std::lock_guard lock(event_mutex_);
    for (Event* event : events_) event->drop();
  }
  unwatched_.clear();
  commands_.reset();
  argument_memory_.reset();
}

CommandQueue& Queue::commands() {
  if (!commands_) {
    context_->transport();  // says so, if the device or the context are what has gone
    throw Error(RDU_ERROR_INVALID_ARGUMENT, "the queue was destroyed");
  }
  return *commands_;
}

// The caller holds submit_mutex_.
Queue::Result Queue::submit(rdu_sqe sqe, bool want_event) {
  sqe.context = context_->id();
  auto submission = commands().submit(sqe, context_->device()->timeout());
  if (want_event) return std::make_unique<Event>(shared_from_this(), sqe.opcode, std::move(submission));
  unwatched_.push_back({sqe.opcode, std::move(submission)});
  collect();
  return nullptr;
}

// Looks at unwatched commands that have completed, so that their list stays short.
void Queue::collect() {
  while (!unwatched_.empty() && unwatched_.front().submission->wait(Milliseconds{0})) {
    const Unwatched done = std::move(unwatched_.front());
    unwatched_.pop_front();
    auto failure = failure_of(done.opcode, done.submission->completion(), context_->transport());
    if (failure && !failure_) failure_ = std::move(failure);
  }
}

Queue::Result Queue::nop(bool want_event) {
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_NOP;
  return submit(sqe, want_event);
}

Queue::Result Queue::device_event() {
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_EVENT;
  return submit(sqe, true);
}

void Queue::check_range(const Memory& memory, uint64_t offset, uint64_t bytes, const char* what) {
  if (offset > memory.size() || bytes > memory.size() - offset)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("the copy's {} is {} bytes at offset {} of memory that has {}", what, bytes,
                            offset, memory.size()));
}

void Queue::check_context(const Memory& memory) const {
  if (memory.context() != context_)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("{} of another context than the queue's", tier_name(memory.tier())));
}

Queue::Result Queue::copy(const Memory& destination, uint64_t destination_offset, const Memory& source,
                          uint64_t source_offset, uint64_t bytes, bool want_event) {
  check_context(destination);
  check_context(source);
  check_range(destination, destination_offset, bytes, "destination");
  check_range(source, source_offset, bytes, "source");
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_COPY;
  sqe.arg[0] = destination.address() + destination_offset;
  sqe.arg[1] = source.address() + source_offset;
  sqe.arg[2] = bytes;
  return submit(sqe, want_event);
}

Queue::Result Queue::load(uint64_t address, uint64_t bytes, uint64_t identity, bool want_event) {
  std::lock_guard lock(submit_mutex_);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_LOAD_PROGRAM;
  sqe.arg[0] = address;
  sqe.arg[1] = bytes;
  sqe.arg[2] = 0;  // tile
  Result result = submit(sqe, want_event);
  std::lock_guard device_lock(context_->device()->mutex());
  context_->device()->loaded_program = identity;
  return result;
}

Queue::Result Queue::launch(const std::vector<rdu_argument_tuple>& tuples, uint64_t identity,
                            const std::string& program_name, bool want_event) {
  const uint64_t bytes = tuples.size() * sizeof(rdu_argument_tuple);
  if (bytes > kArgumentBytes)
    throw Error(RDU_ERROR_NO_RESOURCE,
                fmt::format("'{}' takes {} bytes of arguments, a queue has room for {}", program_name, bytes,
                            kArgumentBytes));
  std::lock_guard lock(submit_mutex_);
  CommandQueue& queue = commands();
  {
    std::lock_guard device_lock(context_->device()->mutex());
    if (context_->device()->loaded_program != identity)
      throw Error(RDU_ERROR_NOT_LOADED,
                  fmt::format("'{}' is not the program that was loaded last", program_name));
    if (!argument_memory_) argument_memory_ = context_->transport().pin(kArgumentBytes);
  }
  const ArgumentRing::Place place = argument_ring_.reserve(bytes);
  const Milliseconds timeout = context_->device()->timeout();
  if (place.after && !queue.wait_below(*place.after + 1, timeout))
    throw Error(RDU_ERROR_TIMEOUT,
                fmt::format("no room for arguments: earlier launches did not complete within {} ms",
                            timeout.count()));
  if (bytes != 0) std::memcpy(argument_memory_->data() + place.offset, tuples.data(), bytes);
  rdu_sqe sqe{};
  sqe.opcode = RDU_CMD_LAUNCH;
  sqe.arg[0] = argument_memory_->address() + place.offset;
  sqe.arg[1] = tuples.size();
  sqe.arg[2] = 0;  // tile
  const uint64_t number = queue.submitted();
  Result result = submit(sqe, want_event);
  argument_ring_.used_by(number);
  return result;
}

void Queue::begin_batch() {
  commands().hold();
}
void Queue::end_batch() {
  commands().release();
}

void Queue::finish(Milliseconds timeout) {
  CommandQueue& queue = commands();
  if (!queue.wait_below(queue.submitted(), timeout))
    throw Error(RDU_ERROR_TIMEOUT,
                fmt::format("the queue's commands did not all complete within {} ms", timeout.count()));
  std::lock_guard lock(submit_mutex_);
  collect();
  if (failure_) {
    const Error failure = *std::exchange(failure_, std::nullopt);
    throw failure;
  }
}

}  // namespace rdu::runtime
