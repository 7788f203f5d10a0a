"""The gate's figures over time: does a scanner, a protocol or a pipeline change its ways?"""
