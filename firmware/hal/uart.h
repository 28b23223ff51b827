#ifndef RDU_FW_HAL_UART_H
#define RDU_FW_HAL_UART_H

/* The console. "\n" leaves as "\r\n"; a full transmitter is waited for. */
void uart_put(char c);
void uart_puts(const char* text);

#endif
