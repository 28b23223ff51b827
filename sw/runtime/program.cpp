#include "runtime/program.h"

#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <map>
#include <string>

#include "compiler/error.h"
#include "runtime/handles.h"

namespace rdu::runtime {

namespace {

compiler::Program parse(const void* container, size_t bytes) {
  try {
    return compiler::Program::parse(container, bytes, "program");
  } catch (const compiler::Error& error) {
    throw Error(RDU_ERROR_BAD_PROGRAM, error.what());
  }
}

std::atomic<uint64_t> next_identity{1};

}  // namespace

Program::Program(Queue& queue, const void* container, size_t bytes, Milliseconds timeout)
    : container_(parse(container, bytes)), context_(queue.context()), identity_(next_identity++) {
  const rdu_info device = context_->device()->info();
  const compiler::Shape& shape = container_.shape();
  if (shape.rows != device.rows || shape.cols != device.columns)
    throw Error(RDU_ERROR_BAD_PROGRAM,
                fmt::format("'{}' was made for a tile of {} x {} units, the device's tiles have {} x {}",
                            container_.info().kernel, shape.rows, shape.cols, device.rows, device.columns));
  const auto& stream = container_.config();
  stream_ = std::make_unique<Memory>(context_, RDU_TIER_HBM, stream.size());
  Memory staging(context_, RDU_TIER_HOST, stream.size());
  std::memcpy(staging.pointer(), stream.data(), stream.size());
  queue.copy(*stream_, 0, staging, 0, stream.size(), true)->wait(timeout);
  std::lock_guard lock(context_->device()->mutex());
  ++context_->programs;
}

Program::~Program() {
  std::lock_guard lock(context_->device()->mutex());
  --context_->programs;
}

void Program::check_queue(const Queue& queue) const {
  if (queue.context() != context_)
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("'{}' belongs to another context than the queue", container_.info().kernel));
}

Queue::Result Program::load(Queue& queue, uint32_t tile, bool want_event) const {
  check_queue(queue);
  return queue.load(stream_->address(), stream_->size(), tile, identity_, want_event);
}

Queue::Result Program::launch(Queue& queue, uint32_t tile, const rdu_argument* arguments, size_t count,
                              bool want_event) const {
  check_queue(queue);
  return queue.launch(tuples(arguments, count), tile, identity_, container_.info().kernel, want_event);
}

std::vector<rdu_argument_tuple> Program::tuples(const rdu_argument* arguments, size_t count) const {
  const std::string& name = container_.info().kernel;
  std::map<std::string, uint64_t> values;
  for (size_t i = 0; i < count; ++i) {
    const rdu_argument& argument = arguments[i];
    if (argument.name == nullptr)
      throw Error(RDU_ERROR_INVALID_ARGUMENT, fmt::format("argument {} of '{}' has no name", i, name));
    uint64_t value = argument.value;
    if (argument.memory != nullptr) {
      const Memory& memory = *argument.memory->memory;
      if (memory.context() != context_)
        throw Error(RDU_ERROR_INVALID_ARGUMENT,
                    fmt::format("argument '{}' of '{}' is memory of another context", argument.name, name));
      if (value >= memory.size())
        throw Error(RDU_ERROR_INVALID_ARGUMENT,
                    fmt::format("argument '{}' of '{}' is offset {} of memory that has {} bytes",
                                argument.name, name, value, memory.size()));
      value += memory.address();
    }
    if (!values.emplace(argument.name, value).second)
      throw Error(RDU_ERROR_INVALID_ARGUMENT,
                  fmt::format("argument '{}' of '{}' is given twice", argument.name, name));
  }
  try {
    return container_.make_tuples(values);
  } catch (const compiler::Error& error) {
    throw Error(RDU_ERROR_INVALID_ARGUMENT, error.what());
  }
}

}  // namespace rdu::runtime
