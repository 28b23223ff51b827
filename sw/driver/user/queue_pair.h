// One submission queue and its completion queue, as rdu_abi.h lays them out.
//
// Reproducibility: what is written to the device, and in which order, depends on the calls alone and never on
// how far the device happens to be. The head doorbell of the completion queue is therefore not rung when
// entries are seen, but when room for submissions runs out, by an amount that only the count of submissions
// decides.
#pragma once

#include <cstdint>

#include "rdu_abi.h"
#include "user/bus.h"
#include "user/command_stream.h"

namespace rdu::user {

class QueuePair : public CommandStream {
 public:
  struct Layout {
    uint32_t id = 0;
    uint32_t entries = 0;  // power of two, at least 2
    uint32_t vector = 0;
    uint8_t* submissions = nullptr;  // entries * sizeof(rdu_sqe) bytes
    uint8_t* completions = nullptr;  // entries * sizeof(rdu_cqe) bytes, zero
  };

  QueuePair(Bus& bus, const Layout& layout);

  uint32_t id() const override { return layout_.id; }
  int interrupt_fd() override { return bus_.vector_fd(layout_.vector); }
  int loss_fd() override { return bus_.loss_fd(); }

 protected:
  void place(const rdu_sqe& sqe, uint64_t number) override;
  void ring(uint64_t submitted) override;
  void give_back(uint64_t completions) override;
  void drain() override;
  void sleep(Milliseconds timeout) override { bus_.wait_vector(layout_.vector, timeout); }
  void wake() noexcept override { bus_.raise_vector(layout_.vector); }

 private:
  Bus& bus_;
  Layout layout_;
  uint64_t taken_ = 0;  // completions that were read
};

}  // namespace rdu::user
