#include "mgmt/plic.h"

#include <fmt/format.h>

#include "core/error.h"

namespace rdu::mgmt {

using regs::plic::CONTEXT_THRESHOLD::LEVEL;

Plic::Plic(const std::string& name, unsigned harts) : name_(name), port_(name, regs_), out_(2 * harts) {
  for (unsigned i = 0; i < kSources; ++i) regs_.PRIORITY[i].on_write([this](uint64_t) { update(); });
  regs_.PENDING.on_read([this] { regs_.PENDING.set_value(pending_); });
  for (unsigned c = 0; c < regs_.CONTEXT.size(); ++c) {
    auto& enable = regs_.ENABLE[c];
    auto& context = regs_.CONTEXT[c];
    if (c < out_.size()) {
      enable.on_write([this](uint64_t) { update(); });
      context.THRESHOLD.on_write([this](uint64_t) { update(); });
      context.CLAIM.on_read([this, c, &context] { context.CLAIM.set_value(claim(c)); });
      context.CLAIM.on_write([this, c, &context](uint64_t) { complete(c, context.CLAIM.value()); });
    } else {
      enable.on_write([&enable](uint64_t before) { enable.set_value(before); });
      context.THRESHOLD.on_write([&context](uint64_t before) { context.THRESHOLD.set_value(before); });
      context.CLAIM.on_write([&context](uint64_t before) { context.CLAIM.set_value(before); });
    }
  }
}

void Plic::connect(unsigned context, core::InterruptSink& sink, unsigned number) {
  out_.at(context).connect(sink, number);
}

void Plic::set_interrupt(unsigned number, bool level) {
  if (number == 0 || number >= kSources) {
    throw core::Error(core::ErrorKind::internal, name_,
                      fmt::format("interrupt source {} does not exist", number));
  }
  const uint32_t bit = uint32_t{1} << number;
  level_ = level ? level_ | bit : level_ & ~bit;
  update();
}

unsigned Plic::best(unsigned context) const {
  const uint64_t candidates = pending_ & regs_.ENABLE[context].value();
  unsigned winner = 0;
  uint64_t highest = 0;
  for (unsigned i = 1; i < kSources; ++i) {
    if (((candidates >> i) & 1) == 0) continue;
    const uint64_t priority = regs_.PRIORITY[i].value();
    if (priority > highest) {
      highest = priority;
      winner = i;
    }
  }
  return winner;
}

/// The threshold does not hold back claims, only the interrupt.
unsigned Plic::claim(unsigned context) {
  const unsigned source = best(context);
  if (source != 0) {
    pending_ &= ~(uint32_t{1} << source);
    in_service_ |= uint32_t{1} << source;
  }
  update();
  return source;
}

/// A number that is not enabled for the context is ignored, as the specification says.
void Plic::complete(unsigned context, uint64_t source) {
  if (source < kSources && ((regs_.ENABLE[context].value() >> source) & 1) != 0) {
    in_service_ &= ~(uint32_t{1} << source);
  }
  update();
}

void Plic::update() {
  regs_.PRIORITY[0].set_value(0);
  pending_ |= level_ & ~in_service_;
  for (unsigned c = 0; c < out_.size(); ++c) {
    regs_.ENABLE[c].set_value(regs_.ENABLE[c].value() & ~uint64_t{1});
    const unsigned source = best(c);
    out_[c].set(source != 0 && regs_.PRIORITY[source].value() > regs_.CONTEXT[c].THRESHOLD.get(LEVEL));
  }
}

void Plic::reset() {
  regs_.reset();
  pending_ = 0;
  in_service_ = 0;
  update();
}

}  // namespace rdu::mgmt
