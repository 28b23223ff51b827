# Prints "ready", then sends back each byte that it receives, woken by the UART's interrupt; 'q' ends it with status 7.
        .global _start
_start: li      s0, 0x10000000          # UART
        li      s1, 0xc200004           # PLIC: claim of hart 0's machine mode
        li      t0, 7                   # FIFO on and empty
        sb      t0, 2(s0)
        li      t0, 1                   # received data interrupt
        sb      t0, 1(s0)
        li      t1, 0xc000028           # priority of source 10
        sw      t0, (t1)
        li      t1, 0xc002000           # its enable
        li      t0, 1 << 10
        sw      t0, (t1)
        li      t0, 1 << 11             # external interrupts wake
        csrw    mie, t0
        la      t0, text
1:      lbu     t1, (t0)
        beqz    t1, wait
        sb      t1, (s0)
        addi    t0, t0, 1
        j       1b
wait:   wfi
        lw      s2, (s1)
next:   lbu     t0, 5(s0)
        andi    t0, t0, 1
        beqz    t0, done
        lbu     t0, (s0)
        sb      t0, (s0)
        li      t1, 'q'
        bne     t0, t1, next
        li      t0, 0x100000
        li      t1, 0x73333
        sw      t1, (t0)
done:   sw      s2, (s1)
        j       wait
text:   .asciz  "ready\n"
