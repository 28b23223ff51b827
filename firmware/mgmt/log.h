#ifndef RDU_FW_LOG_H
#define RDU_FW_LOG_H

#include <stdint.h>

/* The firmware's log: a ring in RAM that the host reads as log page 0, and the console. Lines are "[seconds]
 * level: text" in the page and "fw: text" (or "fw: warning: text") on the console, where debug lines are left
 * out. */

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_BYTES 160u /* longer lines end in "..." */

/* A restart of the core goes on with the text that is there. */
void log_init(void);
/* Overwritten by later ones, since power-on. */
uint64_t log_lines_lost(void);
void log_line(enum log_level level, const char* format, ...) __attribute__((format(printf, 2, 3)));
/* The size of the text as it is now; log_text_read reads that text, whatever is logged meanwhile. */
uint32_t log_text_open(void);
void log_text_read(uint32_t offset, char* to, uint32_t length);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
