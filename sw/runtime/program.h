// A program on the device: its configuration stream in the context's HBM, and what its arguments are called.
#pragma once

#include <cstdint>
#include <memory>

#include "compiler/container.h"
#include "rdu.h"
#include "runtime/context.h"
#include "runtime/queue.h"

namespace rdu::runtime {

class Program {
 public:
  // Checks the container and copies the stream to HBM through `queue`, waiting at most `timeout`.
  Program(Queue& queue, const void* container, size_t bytes, Milliseconds timeout);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  const compiler::Program& container() const { return container_; }
  const std::shared_ptr<Context>& context() const { return context_; }
  const Memory& stream() const { return *stream_; }
  uint64_t identity() const { return identity_; }
  // What arguments by name come to, in words. Throws INVALID_ARGUMENT for what the program does not take.
  std::vector<rdu_argument_tuple> tuples(const rdu_argument* arguments, size_t count) const;
  Queue::Result load(Queue& queue, uint32_t tile, bool want_event) const;
  Queue::Result launch(Queue& queue, uint32_t tile, const rdu_argument* arguments, size_t count,
                       bool want_event) const;

 private:
  void check_queue(const Queue& queue) const;

  compiler::Program container_;
  std::shared_ptr<Context> context_;
  std::unique_ptr<Memory> stream_;
  uint64_t identity_;
};

}  // namespace rdu::runtime
