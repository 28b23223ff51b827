#include "mgmt/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hal/clint.h"
#include "hal/uart.h"
#include "mgmt/chip.h"
#include "mgmt/log_ring.h"
#include "mgmt/persist.h"

static PERSIST struct log_ring ring;
static uint64_t opened; /* where the text begins that the host reads */

static const char* const level_names[] = {"error", "warning", "info", "debug"};

void log_init(void) {
  if (!chip_restarted() || !log_ring_valid(&ring)) log_ring_init(&ring);
}

uint64_t log_lines_lost(void) {
  return ring.lost;
}

static void put_on_console(enum log_level level, const char* text) {
  uart_puts("fw: ");
  if (level < LOG_INFO) {
    uart_puts(level_names[level]);
    uart_puts(": ");
  }
  uart_puts(text);
  uart_put('\n');
}

void log_line(enum log_level level, const char* format, ...) {
  char line[LOG_LINE_BYTES];
  const uint64_t now = clint_now_ns() / 1000;
  const int head = snprintf(line, sizeof line, "[%5llu.%06llu] %s: ", (unsigned long long)(now / 1000000),
                            (unsigned long long)(now % 1000000), level_names[level]);
  va_list arguments;
  va_start(arguments, format);
  const int wanted = head + vsnprintf(line + head, sizeof line - (size_t)head, format, arguments);
  va_end(arguments);
  if (wanted >= (int)sizeof line) memcpy(line + sizeof line - 4, "...", 4);
  if (level < LOG_DEBUG) put_on_console(level, line + head);
  const size_t length = strlen(line);
  line[length] = '\n';
  log_ring_put(&ring, line, (uint32_t)length + 1);
}

uint32_t log_text_open(void) {
  opened = ring.first;
  return log_ring_size(&ring);
}

void log_text_read(uint32_t offset, char* to, uint32_t length) {
  log_ring_read(&ring, opened + offset, to, length);
}
